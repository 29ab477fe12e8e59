import { once } from 'node:events';
import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { JobRef, Priority } from '../../src/domain/job.ts';
import { Keys } from '../../src/queue/keys.ts';
import { LanePuller, type PulledJob } from '../../src/queue/lane-puller.ts';
import { Lanes } from '../../src/queue/lanes.ts';
import { newRef } from '../support/jobs.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

const log = pino({ level: 'silent' });
const LANE = 'm.64x64';
const NEVER = new AbortController().signal;

let server: TestRedis;
let redis: Redis;
let keys: Keys;
let lanes: Lanes;
let open: LanePuller[];

beforeAll(async () => {
  server = await startRedis();
  redis = server.client();
  await once(redis, 'ready');
});
afterAll(() => server.stop());
beforeEach(() => {
  keys = new Keys(server.prefix());
  lanes = new Lanes(redis, keys);
  open = [];
});
afterEach(async () => {
  await Promise.all(open.map((puller) => puller.close()));
  await lanes.close();
});

async function puller(
  options: { workerName?: string; lockMs?: number; starveMs?: number } = {},
): Promise<LanePuller> {
  const made = new LanePuller(server.client(), keys, { workerName: 'w', lockMs: 30_000, log, ...options });
  open.push(made);
  await made.start();
  return made;
}

async function enqueue(lane = LANE, priority: Priority = 'normal'): Promise<JobRef> {
  const ref = newRef();
  await lanes.enqueue(ref, lane, priority);
  return ref;
}

function next(from: LanePuller, timeoutMs = 10_000): Promise<PulledJob | undefined> {
  return from.next({ timeoutMs, signal: NEVER });
}

async function pulled(from: LanePuller): Promise<PulledJob> {
  const job = await next(from);
  if (job === undefined) throw new Error('nothing was pulled');
  return job;
}

describe('pulling', () => {
  it('gives a job with its tenant and lane, and forgets it when complete', async () => {
    const worker = await puller();
    const ref = newRef('acme');
    await lanes.enqueue(ref, LANE, 'normal');
    const job = await pulled(worker);
    expect(job).toMatchObject({ ref, lane: LANE });
    expect(await lanes.has(ref, LANE)).toBe(true);
    await worker.complete(job);
    expect(await lanes.has(ref, LANE)).toBe(false);
  });

  it('takes by priority, then first come first served', async () => {
    const worker = await puller();
    const bulk = await enqueue(LANE, 'bulk');
    const normal = await enqueue(LANE, 'normal');
    const second = await enqueue(LANE, 'normal');
    const interactive = await enqueue(LANE, 'interactive');
    const order = [];
    for (let n = 0; n < 4; n++) order.push((await pulled(worker)).ref);
    expect(order).toEqual([interactive, normal, second, bulk]);
  });

  it('wakes up for a job in a lane that did not exist when it began to wait', async () => {
    const worker = await puller();
    await enqueue('known.64x64');
    await pulled(worker);
    const waiting = next(worker);
    const ref = await enqueue('brand-new.64x64');
    expect((await waiting)?.ref).toEqual(ref);
  });

  it('wakes every idle puller when several jobs arrive', async () => {
    const workers = await Promise.all([puller(), puller(), puller()]);
    const waiting = workers.map((worker) => next(worker));
    const refs = await Promise.all([enqueue(), enqueue(), enqueue()]);
    const jobs = await Promise.all(waiting);
    expect(new Set(jobs.map((job) => job?.ref.id))).toEqual(new Set(refs.map(({ id }) => id)));
  });

  it('gives nothing after the timeout, and nothing when the signal aborts', async () => {
    const worker = await puller();
    expect(await next(worker, 20)).toBeUndefined();
    const stop = new AbortController();
    const waiting = worker.next({ timeoutMs: 60_000, signal: stop.signal });
    stop.abort();
    expect(await waiting).toBeUndefined();
    expect(await worker.next({ timeoutMs: 60_000, signal: stop.signal })).toBeUndefined();
  });

  it('passes a wake-up on when it stopped to listen', async () => {
    const [gone, other] = [await puller(), await puller()];
    await enqueue();
    await gone.complete(await pulled(gone));
    const stop = new AbortController();
    // Both block on the marker; the first in the line is the one that stops to listen.
    const lost = gone.next({ timeoutMs: 60_000, signal: stop.signal });
    await blockedClients(1);
    const waiting = next(other);
    await blockedClients(2);
    stop.abort();
    await lost;
    const ref = await enqueue();
    expect((await waiting)?.ref).toEqual(ref);
  });

  it('gives each job to one puller only', async () => {
    const workers = await Promise.all([puller(), puller(), puller()]);
    const refs = await Promise.all(Array.from({ length: 60 }, (_, n) => enqueue(`m${n % 5}.64x64`)));
    const seen: string[] = [];
    const drain = async (worker: LanePuller): Promise<void> => {
      for (;;) {
        const job = await next(worker, 50);
        if (job === undefined) return;
        seen.push(job.ref.id);
        await worker.complete(job);
      }
    };
    await Promise.all(workers.map(drain));
    expect(seen.toSorted()).toEqual(refs.map(({ id }) => id).toSorted());
  });
});

describe('lanes', () => {
  it('are tried in the order the caller prefers, and left alone when left out', async () => {
    const worker = await puller();
    await enqueue('a.64x64');
    const b = await enqueue('b.64x64');
    const foreign = await enqueue('foreign.64x64');
    const prefer = (names: string[]): string[] =>
      names
        .filter((name) => !name.startsWith('foreign'))
        .toSorted()
        .toReversed();
    const job = await worker.next({ prefer, timeoutMs: 1_000, signal: NEVER });
    expect(job?.ref).toEqual(b);
    await worker.next({ prefer, timeoutMs: 1_000, signal: NEVER });
    expect(await worker.next({ prefer, timeoutMs: 20, signal: NEVER })).toBeUndefined();
    expect(await lanes.position(foreign, 'foreign.64x64')).toBe(1);
  });

  it('that are never preferred still get a turn', async () => {
    const worker = await puller({ starveMs: 40 });
    const cold = await enqueue('cold.64x64');
    const prefer = (names: string[]): string[] => names.toSorted().toReversed();
    const order: string[] = [];
    while (!order.includes(cold.id)) {
      await enqueue('warm.64x64');
      const job = await worker.next({ prefer, timeoutMs: 1_000, signal: NEVER });
      order.push(job?.ref.id ?? '');
    }
    expect(order.length).toBeGreaterThan(1);
  });

  it('tell a job its place, also when it came back from a dead worker', async () => {
    const refs = [await enqueue(), await enqueue(), await enqueue(LANE, 'interactive')];
    const places = (): Promise<(number | null)[]> =>
      Promise.all(refs.map((ref) => lanes.position(ref, LANE)));
    expect(await places()).toEqual([2, 3, 1]);
    expect(await lanes.depth(LANE)).toBe(3);
    const worker = await puller({ lockMs: 100 });
    const job = await pulled(worker);
    expect(job.ref).toEqual(refs[2]);
    expect(await places()).toEqual([1, 2, null]);
    // Its lock runs out, unrenewed: BullMQ puts it into the list that goes before all priorities.
    while ((await places())[2] === null);
    expect(await places()).toEqual([2, 3, 1]);
  });

  it('take a waiting job out, but not one that is held', async () => {
    const worker = await puller();
    const [held, waiting] = [await enqueue(), await enqueue()];
    const job = await pulled(worker);
    expect(job.ref).toEqual(held);
    await lanes.remove(waiting, LANE);
    await lanes.remove(held, LANE);
    expect([await lanes.has(held, LANE), await lanes.has(waiting, LANE)]).toEqual([true, false]);
    expect(await lanes.position(waiting, LANE)).toBeNull();
  });

  it('are forgotten when idle, and come back with the next job', async () => {
    const worker = await puller();
    const busy = await enqueue('busy.64x64');
    await enqueue('idle.64x64');
    await worker.complete(await pulled(worker));
    const kept = (await lanes.has(busy, 'busy.64x64')) ? 'busy.64x64' : 'idle.64x64';
    expect(await lanes.prune(60_000)).toBe(0);
    await redis.zadd(keys.lanes, 1, 'busy.64x64', 1, 'idle.64x64');
    expect(await lanes.prune(60_000)).toBe(1);
    expect(await lanes.names()).toEqual([kept]);
    await worker.complete(await pulled(worker));
    const ref = await enqueue('idle.64x64');
    expect((await pulled(worker)).ref).toEqual(ref);
  });

  it('hold a job once, however often it is put in', async () => {
    const ref = await enqueue();
    await lanes.enqueue(ref, LANE, 'normal');
    expect(await lanes.depth(LANE)).toBe(1);
  });
});

describe('giving a job back', () => {
  it('by hand-back wakes an idle puller at once and keeps its place before its equals', async () => {
    const [worker, idle] = [await puller(), await puller()];
    const first = await enqueue();
    const job = await pulled(worker);
    const waiting = next(idle);
    await blockedClients(1);
    const started = performance.now();
    await worker.handBack(job);
    expect((await waiting)?.ref).toEqual(first);
    // Not a matter of speed: without a marker it would be the next poll, seconds later.
    expect(performance.now() - started).toBeLessThan(2_000);
  });

  it('by hand-back goes before jobs of its priority and behind better ones', async () => {
    const worker = await puller();
    const first = await enqueue();
    const second = await enqueue();
    const job = await pulled(worker);
    await worker.handBack(job);
    const urgent = await enqueue(LANE, 'interactive');
    const order = [];
    for (let n = 0; n < 3; n++) order.push((await pulled(worker)).ref);
    expect(order).toEqual([urgent, first, second]);
  });

  it('for later gives it after the pause, not before', async () => {
    const worker = await puller();
    const ref = await enqueue();
    const job = await pulled(worker);
    await worker.retryLater(job, 150);
    const due = Date.now() + 140;
    expect(await next(worker, 10)).toBeUndefined();
    expect((await pulled(worker)).ref).toEqual(ref);
    expect(Date.now()).toBeGreaterThanOrEqual(due);
  });

  it('is an ordinary thing to do after the lock was lost', async () => {
    const worker = await puller();
    const ref = await enqueue();
    const job = await pulled(worker);
    await redis.set(keys.lane(LANE, `${ref.id}:lock`), 'another');
    expect(await worker.renew([job])).toEqual([job]);
    await worker.complete(job);
    expect(await lanes.has(ref, LANE)).toBe(true);
    await worker.handBack(job);
    await worker.retryLater(job, 1);
  });
});

describe('jobs of dead workers', () => {
  it('are reclaimed by name at once, with their priority, and only theirs', async () => {
    const [dead, live] = [await puller({ workerName: 'dead' }), await puller({ workerName: 'live' })];
    const refs = [await enqueue(), await enqueue(LANE, 'bulk'), await enqueue('other.64x64')];
    const orphans = [await pulled(dead), await pulled(dead), await pulled(dead)];
    const held = await enqueue();
    const kept = await pulled(live);
    const waiting = await enqueue();
    expect(await live.reclaim('dead')).toBe(3);
    expect(await live.reclaim('dead')).toBe(0);
    expect(kept.ref).toEqual(held);
    expect(await live.renew([kept])).toEqual([]);
    expect(await dead.renew(orphans)).toHaveLength(3);
    expect(await lanes.position(refs[0]!, LANE)).toBe(1);
    expect(await lanes.position(waiting, LANE)).toBe(2);
    expect(await lanes.position(refs[1]!, LANE)).toBe(3);
    expect(await lanes.position(refs[2]!, 'other.64x64')).toBe(1);
  });

  it('that carry the name of the caller are reclaimed, but not what it holds itself', async () => {
    const before = await puller({ workerName: 'gpu0' });
    const orphan = await enqueue();
    await pulled(before);
    const after = await puller({ workerName: 'gpu0' });
    await enqueue();
    const own = await pulled(after);
    expect(await after.reclaim('gpu0')).toBe(1);
    expect(await after.renew([own])).toEqual([]);
    expect((await pulled(after)).ref).toEqual(orphan);
  });

  it('come back when their locks ran out, and the dead one cannot end them', async () => {
    const dead = await puller({ lockMs: 200 });
    const ref = await enqueue();
    const orphan = await pulled(dead);
    const live = await puller({ lockMs: 200, workerName: 'live' });
    const job = await next(live);
    expect(job?.ref).toEqual(ref);
    await dead.complete(orphan);
    expect(await lanes.has(ref, LANE)).toBe(true);
    await live.complete(job!);
    expect(await lanes.has(ref, LANE)).toBe(false);
  });

  it('stay with a live worker that renews its locks', async () => {
    const worker = await puller({ lockMs: 300 });
    const ref = await enqueue();
    const job = await pulled(worker);
    const other = await puller({ lockMs: 300, workerName: 'other' });
    const waiting = other.next({ timeoutMs: 1_200, signal: NEVER });
    const renewal = setInterval(() => void worker.renew([job]), 75);
    expect(await waiting).toBeUndefined();
    clearInterval(renewal);
    await worker.complete(job);
    expect(await lanes.has(ref, LANE)).toBe(false);
  });

  it('tell two pulls of the same job apart by their tokens', async () => {
    const worker = await puller({ lockMs: 200 });
    await enqueue();
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
    const worker = await puller();
    const bad = await enqueue();
    const good = await enqueue();
    await redis.hset(keys.lane(LANE, bad.id), 'defa', 'job stalled more than allowable limit');
    expect((await pulled(worker)).ref).toEqual(good);
    expect(await lanes.has(bad, LANE)).toBe(false);
  });

  it('and one without data are taken out', async () => {
    const worker = await puller();
    const queue = new Queue(LANE, { connection: server.client(), prefix: keys.bull });
    await queue.add('x', { foreign: true }, { jobId: 'stranger', priority: 1 });
    await redis.zadd(keys.lanes, Date.now(), LANE);
    const good = await enqueue();
    expect((await pulled(worker)).ref).toEqual(good);
    expect(await redis.exists(keys.lane(LANE, 'stranger'))).toBe(0);
    await queue.close();
  });
});

/** Resolves when so many connections block on keys of this Redis. */
async function blockedClients(count: number): Promise<void> {
  for (;;) {
    const info = await redis.info('clients');
    if (Number(/blocked_clients:(\d+)/.exec(info)?.[1]) >= count) return;
  }
}
