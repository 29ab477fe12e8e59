import { beforeEach, expect, it } from 'vitest';
import { newBulkId } from '../../src/job-id.ts';
import { BulkFeed } from '../../src/queue/bulk-feed.ts';
import { BulkRecords } from '../../src/queue/bulk-records.ts';
import { newRef, someParams } from '../support/jobs.ts';
import { LANE, pulled, queueFixture } from './fixture.ts';

const q = queueFixture();
let feed: BulkFeed;

beforeEach(() => {
  feed = new BulkFeed(q().redis, q().keys);
});

async function fed(count: number): Promise<string[]> {
  const ref = { tenant: 'default', id: newBulkId() };
  const facts = { name: '', rows: count, images: count, rejected: 0, webhook: null };
  await new BulkRecords(q().redis, q().keys).accept(ref, { ...facts, priority: 'bulk' });
  const rows = Array.from({ length: count }, (_, row) => ({ row, params: someParams() }));
  await q().lanes.note(LANE);
  const answer = await feed.feed(ref, rows, { run: 0, priority: 'bulk', window: 100 });
  return answer?.map(({ job }) => job) ?? [];
}

/** All of BullMQ's keys of the lane but its events, its description and the jobs. */
async function keptBeside(ids: readonly string[]): Promise<Record<string, unknown>> {
  const lane = (part: string): string => q().keys.lane(LANE, part);
  const names = await q().redis.keys(lane('*'));
  const own = names.map((name) => name.slice(lane('').length)).filter((part) => !ids.includes(part));
  return {
    parts: own.filter((part) => !['events', 'meta', 'id'].includes(part)).toSorted(),
    prioritized: (await q().redis.zrange(lane('prioritized'), '0', '-1', 'WITHSCORES')).map((text) =>
      ids.includes(text) ? ids.indexOf(text) : Number(text),
    ),
    counter: await q().redis.get(lane('pc')),
    marker: await q().redis.zrange(lane('marker'), '0', '-1', 'WITHSCORES'),
  };
}

it('rows lie in a lane just as jobs that BullMQ adds itself', async () => {
  const ids = await fed(3);
  const ours = await keptBeside(ids);
  const job = await q().redis.hgetall(q().keys.lane(LANE, ids[0] ?? ''));
  const names = await q().redis.keys(q().keys.lane(LANE, '*'));
  await q().redis.del(...names);

  const refs = [newRef(), newRef(), newRef()];
  await q().lanes.enqueueAll(
    refs.map((ref) => ({ ...ref, lane: LANE })),
    'bulk',
  );
  expect(ours).toEqual(await keptBeside(refs.map(({ id }) => id)));
  const { timestamp, ...theirs } = await q().redis.hgetall(q().keys.lane(LANE, refs[0]?.id ?? ''));
  const text = JSON.stringify(theirs).replaceAll(refs[0]?.id ?? '', ids[0] ?? '');
  const { timestamp: ownTimestamp, ...own } = job;
  expect(own).toEqual(JSON.parse(text));
  expect(ownTimestamp).toMatch(/^\d{13}$/);
  expect(timestamp).toMatch(/^\d{13}$/);
});

it('rows are pulled in their order, wake a puller that waits, and go behind jobs of a better priority', async () => {
  const puller = await q().puller();
  const waiting = pulled(puller);
  await q().blockedClients(1);
  const ids = await fed(3);
  const first = await waiting;
  expect(first).toMatchObject({ ref: { tenant: 'default', id: ids[0] }, lane: LANE });
  const urgent = await q().enqueued(LANE, 'interactive');
  const rest = [await pulled(puller), await pulled(puller), await pulled(puller)];
  expect(rest.map(({ ref }) => ref.id)).toEqual([urgent.id, ids[1], ids[2]]);
  for (const one of [first, ...rest]) await puller.complete(one);
  expect(await q().lanes.depth(LANE)).toBe(0);
});
