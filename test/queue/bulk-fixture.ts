/** Bulks on a real Redis, with shorthands for what becomes of their rows. */
import { beforeEach } from 'vitest';
import type { Bulk, BulkFacts, BulkRef } from '../../src/domain/bulk.ts';
import { newBulkId } from '../../src/job-id.ts';
import { BulkFeed } from '../../src/queue/bulk-feed.ts';
import { BulkRecords } from '../../src/queue/bulk-records.ts';
import { someParams, someResult } from '../support/jobs.ts';
import { FAILURE, LANE, queueFixture } from './fixture.ts';

export const FACTS: BulkFacts = {
  name: 'prompts.csv',
  rows: 5,
  images: 5,
  rejected: 0,
  priority: 'bulk',
  webhook: null,
};

/** For the whole file: fresh records and a fresh feed before each test. */
export function bulkFixture() {
  const q = queueFixture();
  let bulks: BulkRecords;
  let feed: BulkFeed;

  beforeEach(() => {
    bulks = new BulkRecords(q().redis, q().keys);
    feed = new BulkFeed(q().redis, q().keys);
  });

  async function accepted(changes: Partial<BulkFacts> = {}): Promise<BulkRef> {
    const ref = { tenant: 'default', id: newBulkId() };
    await bulks.accept(ref, { ...FACTS, ...changes });
    return ref;
  }

  async function read(ref: BulkRef): Promise<Bulk> {
    const bulk = await bulks.read(ref);
    if (bulk === undefined) throw new Error(`there is no bulk ${ref.id}`);
    return bulk;
  }

  async function fed(ref: BulkRef, rows: readonly number[], window = 100) {
    const { run } = await read(ref);
    const answers = await feed.feed(
      ref,
      rows.map((row) => ({ row, params: someParams() })),
      { run, priority: 'bulk', window },
    );
    return answers ?? [];
  }

  /** Feeds one row and claims its job. */
  async function running(ref: BulkRef, row: number) {
    const [one] = await fed(ref, [row]);
    if (one === undefined) throw new Error('the bulk is closed');
    const job = { tenant: ref.tenant, id: one.job };
    const claim = await q().records.claim(job, 'w');
    if (claim.kind !== 'claimed') throw new Error('the claim was refused');
    return { job, fence: claim.fence };
  }

  async function succeeded(ref: BulkRef, row: number): Promise<void> {
    const { job, fence } = await running(ref, row);
    await q().records.commit(job, fence, someResult(job, fence));
  }

  async function failed(ref: BulkRef, row: number): Promise<void> {
    const { job, fence } = await running(ref, row);
    await q().records.fail(job, fence, FAILURE);
  }

  function window(): Promise<string | null> {
    return q().redis.hget(q().keys.windows('default'), LANE);
  }

  return { q, bulks: () => bulks, feed: () => feed, accepted, read, fed, running, succeeded, failed, window };
}
