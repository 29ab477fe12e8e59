import { pino } from 'pino';
import { beforeEach, expect, it } from 'vitest';
import type { BulkRef } from '../../src/domain/bulk.ts';
import { newBulkId } from '../../src/job-id.ts';
import { Lease } from '../../src/queue/lease.ts';
import { LocalStore } from '../../src/storage/local-store.ts';
import { bulkFaultsFolder, bulkRowsKey, draftKey } from '../../src/storage/object-keys.ts';
import { sweepDrafts } from '../../workers/courier/draft-sweep.ts';
import { queueFixture } from '../queue/fixture.ts';
import { acceptedBulk } from '../support/bulks.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const HOUR = 3_600_000;

const q = queueFixture();
let store: LocalStore;

beforeEach(async () => {
  store = new LocalStore(await temporaryFolder());
});

async function note(ref: BulkRef, ageMs: number): Promise<void> {
  const begun = new Date(Date.now() - ageMs).toISOString();
  await store.put(draftKey(ref), Buffer.from(begun), 'text/plain');
}

async function draft(ageMs: number): Promise<BulkRef> {
  const ref = { tenant: 'default', id: newBulkId() };
  await note(ref, ageMs);
  await store.put(bulkRowsKey(ref, 0), Buffer.from('{}\n'), 'application/x-ndjson');
  await store.put(`${bulkFaultsFolder(ref)}0`, Buffer.from('line\n'), 'text/csv');
  return ref;
}

async function sweep(): Promise<void> {
  const { redis, keys } = q();
  const lease = new Lease(redis, keys, { name: 'janitor', holder: 'me', ttlMs: HOUR });
  await sweepDrafts({ redis, keys, store, lease, log: pino({ level: 'silent' }) }, Date.now());
}

it('what an upload left behind goes after a day, and nothing of one that is under way', async () => {
  await draft(25 * HOUR);
  const young = await draft(23 * HOUR);
  await sweep();
  const left = await store.list('default/');
  expect(left.toSorted()).toEqual(
    [draftKey(young), `${bulkFaultsFolder(young)}0`, bulkRowsKey(young, 0)].toSorted(),
  );
});

it('a bulk stays, whose note was left because its API died right after it was accepted', async () => {
  const { redis, keys } = q();
  const ref = await acceptedBulk({ redis, keys, store }, [{}, {}]);
  await note(ref, 48 * HOUR);
  await sweep();
  expect(await store.list('default/')).toEqual([bulkRowsKey(ref, 0)]);
});
