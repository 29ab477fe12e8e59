import { describe, expect, it } from 'vitest';
import type { WaitingLane } from '../../src/queue/lane-peek.ts';
import { LANE, NEVER, pulled, queueFixture } from './fixture.ts';

const q = queueFixture();

describe('lanes', () => {
  it('are tried in the order the caller gives, and left alone when not accepted', async () => {
    const worker = await q().puller();
    await q().enqueued('a.64x64');
    const b = await q().enqueued('b.64x64');
    const foreign = await q().enqueued('foreign.64x64');
    const options = {
      accepts: (lane: string): boolean => !lane.startsWith('foreign'),
      order: (waiting: readonly WaitingLane[]): string[] =>
        waiting
          .map(({ lane }) => lane)
          .toSorted()
          .toReversed(),
      signal: NEVER,
    };
    const job = await worker.next({ ...options, timeoutMs: 1_000 });
    expect(job?.ref).toEqual(b);
    await worker.next({ ...options, timeoutMs: 1_000 });
    expect(await worker.next({ ...options, timeoutMs: 20 })).toBeUndefined();
    expect(await q().lanes.position(foreign, 'foreign.64x64')).toBe(1);
  });

  it('are tried by how long their next job waits when the caller gives no order', async () => {
    const worker = await q().puller();
    const old = await q().enqueued('old.64x64');
    await q().redis.hset(q().keys.lane('old.64x64', old.id), 'timestamp', 1_000);
    await q().enqueued('a-new.64x64');
    const waited: WaitingLane[] = [];
    const order = (waiting: readonly WaitingLane[]): string[] => {
      waited.push(...waiting);
      return waiting.map(({ lane }) => lane);
    };
    expect((await worker.next({ order, timeoutMs: 1_000, signal: NEVER }))?.ref).toEqual(old);
    expect(waited.map(({ lane }) => lane)).toEqual(['old.64x64', 'a-new.64x64']);
    expect(waited[0]?.waitedMs).toBeGreaterThan(waited[1]?.waitedMs ?? Infinity);
  });

  it('tell a job its place, also when it came back from a dead worker', async () => {
    const refs = [await q().enqueued(), await q().enqueued(), await q().enqueued(LANE, 'interactive')];
    const places = (): Promise<(number | null)[]> =>
      Promise.all(refs.map((ref) => q().lanes.position(ref, LANE)));
    expect(await places()).toEqual([2, 3, 1]);
    expect(await q().lanes.depth(LANE)).toBe(3);
    const worker = await q().puller({ lockMs: 100 });
    const job = await pulled(worker);
    expect(job.ref).toEqual(refs[2]);
    expect(await places()).toEqual([1, 2, null]);
    // Its lock runs out, unrenewed: BullMQ puts it into the list that goes before all priorities.
    while ((await places())[2] === null);
    expect(await places()).toEqual([2, 3, 1]);
  });

  it('take a waiting job out, but not one that is held', async () => {
    const worker = await q().puller();
    const [held, waiting] = [await q().enqueued(), await q().enqueued()];
    const job = await pulled(worker);
    expect(job.ref).toEqual(held);
    await q().lanes.remove(waiting, LANE);
    await q().lanes.remove(held, LANE);
    expect([await q().lanes.has(held, LANE), await q().lanes.has(waiting, LANE)]).toEqual([true, false]);
    expect(await q().lanes.position(waiting, LANE)).toBeNull();
  });

  it('are forgotten when idle, and come back with the next job', async () => {
    const worker = await q().puller();
    const busy = await q().enqueued('busy.64x64');
    await q().enqueued('idle.64x64');
    await worker.complete(await pulled(worker));
    const kept = (await q().lanes.has(busy, 'busy.64x64')) ? 'busy.64x64' : 'idle.64x64';
    expect(await q().lanes.prune(60_000)).toBe(0);
    await q().redis.zadd(q().keys.lanes, 1, 'busy.64x64', 1, 'idle.64x64');
    expect(await q().lanes.prune(60_000)).toBe(1);
    expect(await q().lanes.names()).toEqual([kept]);
    await worker.complete(await pulled(worker));
    const ref = await q().enqueued('idle.64x64');
    expect((await pulled(worker)).ref).toEqual(ref);
  });

  it('hold a job once, however often it is put in', async () => {
    const ref = await q().enqueued();
    await q().lanes.enqueue(ref, LANE, 'normal');
    expect(await q().lanes.depth(LANE)).toBe(1);
  });
});
