import { describe, expect, it } from 'vitest';
import { Queue } from 'bullmq';
import type { LanePuller, PulledJob } from '../../src/queue/lane-puller.ts';
import { LANE, NEVER, pulled, queueFixture } from './fixture.ts';

const q = queueFixture();

describe('giving a job back', () => {
  it('by hand-back wakes an idle puller at once and keeps its place before its equals', async () => {
    const [worker, idle] = [await q().puller(), await q().puller()];
    const first = await q().enqueued();
    const job = await pulled(worker);
    const waiting = next(idle);
    await q().blockedClients(1);
    const started = performance.now();
    await worker.handBack(job);
    expect((await waiting)?.ref).toEqual(first);
    // Not a matter of speed: without a marker it would be the next poll, seconds later.
    expect(performance.now() - started).toBeLessThan(2_000);
  });

  it('by hand-back goes before jobs of its priority and behind better ones', async () => {
    const worker = await q().puller();
    const first = await q().enqueued();
    const second = await q().enqueued();
    const job = await pulled(worker);
    await worker.handBack(job);
    const urgent = await q().enqueued(LANE, 'interactive');
    const order = [];
    for (let n = 0; n < 3; n++) order.push((await pulled(worker)).ref);
    expect(order).toEqual([urgent, first, second]);
  });

  it('for later gives it after the pause, not before', async () => {
    const worker = await q().puller();
    const ref = await q().enqueued();
    const job = await pulled(worker);
    await worker.retryLater(job, 150);
    const due = Date.now() + 140;
    expect(await next(worker, 10)).toBeUndefined();
    expect((await pulled(worker)).ref).toEqual(ref);
    expect(Date.now()).toBeGreaterThanOrEqual(due);
  });

  it('is an ordinary thing to do after the lock was lost', async () => {
    const worker = await q().puller();
    const ref = await q().enqueued();
    const job = await pulled(worker);
    await q().redis.set(q().keys.lane(LANE, `${ref.id}:lock`), 'another');
    expect(await worker.renew([job])).toEqual([job]);
    await worker.complete(job);
    expect(await q().lanes.has(ref, LANE)).toBe(true);
    await worker.handBack(job);
    await worker.retryLater(job, 1);
  });
});

describe('jobs of dead workers', () => {
  it('are reclaimed by name at once, with their priority, and only theirs', async () => {
    const [dead, live] = [await q().puller({ workerName: 'dead' }), await q().puller({ workerName: 'live' })];
    const refs = [await q().enqueued(), await q().enqueued(LANE, 'bulk'), await q().enqueued('other.64x64')];
    const orphans = [await pulled(dead), await pulled(dead), await pulled(dead)];
    const held = await q().enqueued();
    const kept = await pulled(live);
    const waiting = await q().enqueued();
    expect(await live.reclaim('dead')).toBe(3);
    expect(await live.reclaim('dead')).toBe(0);
    expect(kept.ref).toEqual(held);
    expect(await live.renew([kept])).toEqual([]);
    expect(await dead.renew(orphans)).toHaveLength(3);
    expect(await q().lanes.position(refs[0]!, LANE)).toBe(1);
    expect(await q().lanes.position(waiting, LANE)).toBe(2);
    expect(await q().lanes.position(refs[1]!, LANE)).toBe(3);
    expect(await q().lanes.position(refs[2]!, 'other.64x64')).toBe(1);
  });

  it('that carry the name of the caller are reclaimed, but not what it holds itself', async () => {
    const before = await q().puller({ workerName: 'gpu0' });
    const orphan = await q().enqueued();
    await pulled(before);
    const after = await q().puller({ workerName: 'gpu0' });
    await q().enqueued();
    const own = await pulled(after);
    expect(await after.reclaim('gpu0')).toBe(1);
    expect(await after.renew([own])).toEqual([]);
    expect((await pulled(after)).ref).toEqual(orphan);
  });

  it('come back when their locks ran out, and the dead one cannot end them', async () => {
    const dead = await q().puller({ lockMs: 200 });
    const ref = await q().enqueued();
    const orphan = await pulled(dead);
    const live = await q().puller({ lockMs: 200, workerName: 'live' });
    const job = await next(live);
    expect(job?.ref).toEqual(ref);
    await dead.complete(orphan);
    expect(await q().lanes.has(ref, LANE)).toBe(true);
    await live.complete(job!);
    expect(await q().lanes.has(ref, LANE)).toBe(false);
  });

  it('stay with a live worker that renews its locks', async () => {
    const worker = await q().puller({ lockMs: 300 });
    const ref = await q().enqueued();
    const job = await pulled(worker);
    const other = await q().puller({ lockMs: 300, workerName: 'other' });
    const waiting = other.next({ timeoutMs: 1_200, signal: NEVER });
    const renewal = setInterval(() => void worker.renew([job]), 75);
    expect(await waiting).toBeUndefined();
    clearInterval(renewal);
    await worker.complete(job);
    expect(await q().lanes.has(ref, LANE)).toBe(false);
  });

  it('tell two pulls of the same job apart by their tokens', async () => {
    const worker = await q().puller({ lockMs: 200 });
    await q().enqueued();
    const first = await pulled(worker);
    const second = await pulled(worker);
    expect(second.ref).toEqual(first.ref);
    expect(await worker.renew([first, second])).toEqual([first]);
    await worker.complete(first);
    expect(await worker.renew([second])).toEqual([]);
  });
});

describe('a job that BullMQ gave up', () => {
  it('is taken out and not given to anybody', async () => {
    const worker = await q().puller();
    const bad = await q().enqueued();
    const good = await q().enqueued();
    await q().redis.hset(q().keys.lane(LANE, bad.id), 'defa', 'job stalled more than allowable limit');
    expect((await pulled(worker)).ref).toEqual(good);
    expect(await q().lanes.has(bad, LANE)).toBe(false);
  });

  it('and one without data are taken out', async () => {
    const worker = await q().puller();
    const queue = new Queue(LANE, { connection: q().server.client(), prefix: q().keys.bull });
    await queue.add('x', { foreign: true }, { jobId: 'stranger', priority: 1 });
    await q().redis.zadd(q().keys.lanes, Date.now(), LANE);
    const good = await q().enqueued();
    expect((await pulled(worker)).ref).toEqual(good);
    expect(await q().redis.exists(q().keys.lane(LANE, 'stranger'))).toBe(0);
    await queue.close();
  });
});

function next(from: LanePuller, timeoutMs = 10_000): Promise<PulledJob | undefined> {
  return from.next({ timeoutMs, signal: NEVER });
}
