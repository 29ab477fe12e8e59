import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readOutcomes } from '../../src/bulk-outcomes.ts';
import { endedRows, type Bulk, type BulkRef } from '../../src/domain/bulk.ts';
import { KilnError } from '../../src/domain/errors.ts';
import type { JobParams } from '../../src/domain/job.ts';
import type { ResolveInput } from '../../src/inputs/resolve-input.ts';
import { cancelBulk, pauseBulk, resumeBulk } from '../../src/queue/bulk-control.ts';
import { BulkFeed } from '../../src/queue/bulk-feed.ts';
import { BulkRecords } from '../../src/queue/bulk-records.ts';
import { FarmRegistry } from '../../src/queue/farm-registry.ts';
import { Lease } from '../../src/queue/lease.ts';
import { OutboxTail } from '../../src/queue/outbox.ts';
import { parseBulkDocument } from '../../src/storage/bulk-document.ts';
import { LocalStore } from '../../src/storage/local-store.ts';
import { bulkDocumentKey, bulkRowsKey } from '../../src/storage/object-keys.ts';
import { Feeder } from '../../workers/bulk/feeder.ts';
import { RowFetcher } from '../../workers/bulk/row-fetcher.ts';
import { queueFixture } from '../queue/fixture.ts';
import { acceptedBulk, enderOf, Hands, type Taken } from '../support/bulks.ts';

const q = queueFixture();
const log = pino({ level: 'silent' });
const WINDOW = 8;
const POLL_MS = 2;
const IMAGE = { id: `up_${'a'.repeat(64)}`, width: 128, height: 64 };

let folder: string;
let store: LocalStore;
let bulks: BulkRecords;
let feed: BulkFeed;
let tail: OutboxTail;
let hands: Hands;
let stopping: AbortController;
let feeders: Promise<void>[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kiln-bulk-'));
  store = new LocalStore(folder);
  bulks = new BulkRecords(q().redis, q().keys);
  feed = new BulkFeed(q().redis, q().keys);
  tail = new OutboxTail(q().redis, q().keys, log);
  tail.start();
  hands = new Hands(() => q().server.client(), q().keys);
  await hands.start();
  stopping = new AbortController();
  feeders = [];
});
afterEach(async () => {
  stopping.abort();
  await Promise.all(feeders);
  await hands.stop();
  await tail.close();
  await rm(folder, { recursive: true, force: true });
});

function startFeeder(resolveInput: ResolveInput = () => Promise.resolve(IMAGE), holder = 'feeder'): void {
  const { redis, keys, records, lanes } = q();
  const { signal } = stopping;
  const feeder = new Feeder({
    feed,
    bulks,
    records,
    lanes,
    store,
    tail,
    log,
    registry: new FarmRegistry(redis, keys),
    fetcher: new RowFetcher({ resolveInput, feed, signal, log }),
    leaseOf: ({ id }) => new Lease(redis, keys, { name: id, holder, ttlMs: 5_000 }),
    window: WINDOW,
    recordTtlMs: 60_000,
  });
  feeders.push(feeder.run(signal));
}

function accept(...args: Parameters<typeof acceptedBulk> extends [unknown, ...infer R] ? R : never) {
  const { redis, keys } = q();
  return acceptedBulk({ redis, keys, store }, ...args);
}

/** Looks until the bulk is so; at every look its totals must add up. */
async function when(ref: BulkRef, condition: (bulk: Bulk) => boolean): Promise<Bulk> {
  for (;;) {
    const bulk = await bulks.read(ref);
    if (bulk === undefined) throw new Error(`there is no bulk ${ref.id}`);
    expect(Math.min(...Object.values(bulk.counts))).toBeGreaterThanOrEqual(0);
    if (condition(bulk)) return bulk;
    await pause(POLL_MS);
  }
}

const isOver = ({ finishedAt }: Bulk): boolean => finishedAt !== null;
const rowsOf = (count: number): object[] => Array.from({ length: count }, () => ({}));

describe('the feeder', () => {
  it('feeds a bulk through a window much smaller than it, and stores how each row ended', async () => {
    startFeeder();
    const ref = await accept(rowsOf(1_010));
    const ender = enderOf(4, (one, taken) =>
      taken.claim.record.params.seeds[0] === 7 ? one.fail(taken) : one.finish(taken),
    )(q());
    const work = ender.run();
    const bulk = await when(ref, (now) => {
      expect(now.counts.queued).toBeLessThanOrEqual(WINDOW);
      return isOver(now);
    });
    await ender.stop();
    await work;
    expect(bulk).toMatchObject({ state: 'completed', counts: { succeeded: 1_009, failed: 1 } });
    while ((await feed.open()).length > 0);
    expect(parseBulkDocument((await store.get(bulkDocumentKey(ref)))!)).toMatchObject({ id: ref.id });
    expect(await q().redis.keys(`${q().keys.bulk(ref, 'ends:0').slice(0, -1)}*`)).toEqual([]);
    const outcomes = await readOutcomes({ feed, store }, bulk, 0);
    const rest = await readOutcomes({ feed, store }, bulk, 1);
    expect([outcomes.size, rest.size]).toEqual([1_000, 10]);
    expect(outcomes.get(7)).toMatchObject({ row: 7, state: 'failed', failure: { code: 'render_failed' } });
    expect(rest.get(1_009)).toMatchObject({ row: 1_009, state: 'succeeded', failure: null });
  });

  it('does not let a lane that has enough hold up the rows of others behind it', async () => {
    startFeeder();
    const wide = Array.from({ length: 50 }, () => ({ width: 128 }));
    const ref = await accept([...wide, ...rowsOf(3)]);
    await when(ref, ({ counts }) => counts.queued === WINDOW + 3);
    expect(Object.fromEntries(await feed.windows('default'))).toEqual({
      'pocket-base.128x64': WINDOW,
      'pocket-base.64x64': 3,
    });
  });

  it('shares a lane among bulks by their weights', async () => {
    const [one, other] = [await accept(rowsOf(40)), await accept(rowsOf(40))];
    const urgent = await accept(rowsOf(40), { priority: 'normal' });
    startFeeder();
    for (let n = 0; n < 40; n++) {
      const taken = await hands.take();
      if (taken !== undefined) await hands.finish(taken);
    }
    await when(one, ({ counts }) => counts.succeeded > 0);
    const ended = await Promise.all(
      [one, other, urgent].map(async (ref) => {
        const { counts } = await when(ref, () => true);
        return counts.succeeded + counts.queued;
      }),
    );
    expect(Math.abs((ended[0] ?? 0) - (ended[1] ?? 0))).toBeLessThanOrEqual(1);
    expect(ended[2]).toBeGreaterThan(2 * (ended[0] ?? 0));
  });

  it('feeds rows with images at addresses once these are there, and fails those whose image is none', async () => {
    startFeeder((value, field) =>
      value.includes('bad')
        ? Promise.reject(new KilnError('invalid_request', `The ${field} cannot be taken: it is a GIF`))
        : Promise.resolve(IMAGE),
    );
    const model = { name: 'pocket-base', defaultWidth: 128, defaultHeight: 128 };
    const rowAt = (image: string) => ({
      request: { kind: 'img2img', prompt: 'a kiln', seed: 3, image } as const,
      model,
    });
    const ref = await accept([rowAt('https://a.example/1.png'), rowAt('https://a.example/bad.gif'), {}]);
    const seen: JobParams[] = [];
    const work = hands.workThrough((taken) => {
      seen.push(taken.claim.record.params);
      return hands.finish(taken);
    });
    const bulk = await when(ref, isOver);
    await hands.stop();
    await work;
    expect(seen).toContainEqual(
      expect.objectContaining({ kind: 'img2img', image: IMAGE.id, width: 128, seeds: [3], priority: 'bulk' }),
    );
    expect(bulk.counts).toMatchObject({ succeeded: 2, failed: 1 });
    const outcomes = await readOutcomes({ feed, store }, bulk, 0);
    expect(outcomes.get(1)).toMatchObject({
      job: null,
      failure: { code: 'input_refused', message: 'The image cannot be taken: it is a GIF' },
    });
  });

  it('fails rows that are no longer in the store instead of waiting for ever', async () => {
    const ref = await accept(rowsOf(3));
    await store.delete(bulkRowsKey(ref, 0));
    startFeeder();
    expect(await when(ref, isOver)).toMatchObject({ state: 'completed', counts: { failed: 3 } });
  });
});

describe('pause, resume and cancel', () => {
  it('stop the start of rows at once, start it again, and end the rest', async () => {
    startFeeder();
    const ref = await accept(rowsOf(100));
    const first = await hands.take();
    await when(ref, ({ counts }) => counts.queued === WINDOW);
    const parts = { bulks, records: q().records, lanes: q().lanes };
    await pauseBulk(parts, ref);
    expect(await hands.take(50)).toBeUndefined();
    if (first !== undefined) await hands.finish(first);
    expect((await when(ref, () => true)).counts).toMatchObject({ succeeded: 1, queued: WINDOW, running: 0 });
    await resumeBulk(parts, ref);
    const second = await hands.take();
    expect(second).toBeDefined();
    await cancelBulk(parts, ref);
    const bulk = await when(ref, isOver);
    expect(bulk).toMatchObject({ state: 'cancelled', counts: { succeeded: 1, cancelled: 99 } });
    expect(endedRows(bulk.counts)).toBe(100);
    expect(await hands.take(50)).toBeUndefined();
  });

  it('of an API that died half-way through a cancel are carried out by the feeder', async () => {
    startFeeder();
    const ref = await accept(rowsOf(100));
    await when(ref, ({ counts }) => counts.queued === WINDOW);
    await bulks.cancel(ref);
    expect(await when(ref, isOver)).toMatchObject({ state: 'cancelled', counts: { cancelled: 100 } });
  });
});

it('a retry feeds failed rows again, and their new outcomes replace the old', async () => {
  startFeeder();
  const ref = await accept(rowsOf(20));
  const isEven = ({ claim }: Taken): boolean => (claim.record.params.seeds[0] ?? 0) % 2 === 0;
  let isBroken = true;
  const work = hands.workThrough((taken) =>
    isBroken && isEven(taken) ? hands.fail(taken) : hands.finish(taken),
  );
  const before = await when(ref, isOver);
  expect(before.counts).toMatchObject({ succeeded: 10, failed: 10 });
  while ((await feed.open()).length > 0);
  isBroken = false;
  await bulks.retry(ref);
  const after = await when(ref, isOver);
  await hands.stop();
  await work;
  expect(after).toMatchObject({ run: 1, counts: { succeeded: 20, failed: 0 } });
  while ((await feed.open()).length > 0);
  const outcomes = await readOutcomes({ feed, store }, after, 0);
  expect([...outcomes.values()].filter(({ state }) => state === 'succeeded')).toHaveLength(20);
});
