import { describe, expect, it } from 'vitest';
import type { JobRef } from '../../src/domain/job.ts';
import { redisTime } from '../../src/queue/connection.ts';
import { Lease } from '../../src/queue/lease.ts';
import { reconcile, type Reconciled } from '../../src/queue/reconciler.ts';
import { newRef, someResult } from '../support/jobs.ts';
import { LANE, NEVER, pulled, queueFixture, RECORD_TTL_MS } from './fixture.ts';

const q = queueFixture();
const NOTHING = { enqueued: 0, handedBack: 0, swept: 0 };

function pass(
  options: { graceMs?: number; recordTtlMs?: number; signal?: AbortSignal } = {},
): Promise<Reconciled> {
  return reconcile(q(), { graceMs: 0, recordTtlMs: RECORD_TTL_MS, signal: NEVER, ...options });
}

async function inLane(): Promise<JobRef> {
  const ref = await q().admitted();
  await q().lanes.enqueue(ref, LANE, 'normal');
  return ref;
}

/** Resolves when the clock of Redis has passed the newest creation time, so that 'older than 0 ms' holds. */
async function tick(): Promise<void> {
  const start = await redisTime(q().redis);
  while ((await redisTime(q().redis)) < start + 2);
}

describe('the reconciler', () => {
  it('puts a queued job into its lane when its API died between the two', async () => {
    const lost = await q().admitted();
    await inLane();
    await tick();
    expect(await pass()).toEqual({ ...NOTHING, enqueued: 1 });
    expect(await q().lanes.has(lost, LANE)).toBe(true);
    expect(await pass()).toEqual(NOTHING);
  });

  it('hands back a running job that no lane knows any more, and shuts its holder out', async () => {
    const puller = await q().puller();
    const ref = await inLane();
    const job = await pulled(puller);
    await q().records.claim(ref, 'w');
    const lost = [ref.id, `${ref.id}:lock`, 'active'].map((part) => q().keys.lane(LANE, part));
    await q().redis.del(...lost);
    await tick();
    expect(await pass()).toEqual({ ...NOTHING, handedBack: 1 });
    expect(await puller.renew([job])).toEqual([job]);
    expect(await q().records.commit(ref, 1, someResult(ref, 1))).toBe('stale');
    const again = await pulled(puller);
    expect(again.ref).toEqual(ref);
    expect(await q().records.claim(ref, 'w')).toMatchObject({ kind: 'claimed', fence: 2 });
    expect(await q().records.read(ref)).toMatchObject({ attempts: 0, crashes: 0 });
  });

  it('leaves young jobs, held jobs and paused jobs alone', async () => {
    const puller = await q().puller();
    const held = await inLane();
    await q().records.claim((await pulled(puller)).ref, 'w');
    const paused = await inLane();
    await puller.retryLater(await pulled(puller), 60_000);
    await q().admitted();
    expect(await pass({ graceMs: 60_000 })).toEqual(NOTHING);
    await q().redis.del(q().keys.job(held));
    expect(await q().lanes.has(paused, LANE)).toBe(true);
  });

  it('goes through every page of every tenant', async () => {
    const refs = [
      ...Array.from({ length: 1_100 }, () => newRef('acme')),
      ...Array.from({ length: 3 }, () => newRef('other')),
    ];
    await Promise.all(refs.map((ref) => q().admitted(ref)));
    await tick();
    expect(await pass()).toEqual({ ...NOTHING, enqueued: refs.length });
    expect(await q().lanes.depth(LANE)).toBe(refs.length);
  });

  it('stops when told to', async () => {
    await q().admitted();
    await tick();
    expect(await pass({ signal: AbortSignal.abort() })).toEqual(NOTHING);
  });

  it('removes index entries of expired records, and only those', async () => {
    const expired = await q().inState('succeeded');
    const kept = await q().inState('failed');
    await q().redis.del(q().keys.job(expired.ref));
    await tick();
    expect(await pass()).toEqual(NOTHING);
    expect(await pass({ recordTtlMs: 0 })).toEqual({ ...NOTHING, swept: 1 });
    expect(await q().indexedUnder(expired.ref)).toEqual([]);
    expect(await q().indexedUnder(kept.ref)).toEqual([':t:default:jobs', ':t:default:jobs:failed']);
  });
});

describe('a lease', () => {
  it('has one holder, who can keep it and give it up', async () => {
    const lease = (holder: string): Lease =>
      new Lease(q().redis, q().keys, { name: 'task', holder, ttlMs: 60_000 });
    const [a, b] = [lease('a'), lease('b')];
    expect([await a.take(), await b.take(), await a.take()]).toEqual([true, false, true]);
    await b.drop();
    expect(await b.take()).toBe(false);
    await a.drop();
    expect(await b.take()).toBe(true);
  });

  it('ends by itself when its holder is silent', async () => {
    const short = new Lease(q().redis, q().keys, { name: 'task', holder: 'a', ttlMs: 20 });
    const other = new Lease(q().redis, q().keys, { name: 'task', holder: 'b', ttlMs: 20 });
    expect(await short.take()).toBe(true);
    while (!(await other.take()));
    expect(await short.take()).toBe(false);
  });
});
