import { describe, expect, it } from 'vitest';
import type { WaitingLane } from '../../src/queue/lane-peek.ts';
import type { LanePuller, PulledJob } from '../../src/queue/lane-puller.ts';
import { newRef } from '../support/jobs.ts';
import { LANE, NEVER, pulled, queueFixture } from './fixture.ts';

const q = queueFixture();

const byName = (waiting: readonly WaitingLane[]): string[] => waiting.map(({ lane }) => lane).toSorted();

/** Lets a puller use up what earlier jobs left to wake it, until it blocks. */
async function asleep(worker: LanePuller): Promise<void> {
  expect(await next(worker, 100)).toBeUndefined();
  await q().blockedClients(1);
}

describe('pulling', () => {
  it('gives a job with its tenant and lane, and forgets it when complete', async () => {
    const worker = await q().puller();
    const ref = newRef('acme');
    await q().lanes.enqueue(ref, LANE, 'normal');
    const job = await pulled(worker);
    expect(job).toMatchObject({ ref, lane: LANE });
    expect(await q().lanes.has(ref, LANE)).toBe(true);
    await worker.complete(job);
    expect(await q().lanes.has(ref, LANE)).toBe(false);
  });

  it('takes by priority, then first come first served', async () => {
    const worker = await q().puller();
    const bulk = await q().enqueued(LANE, 'bulk');
    const normal = await q().enqueued(LANE, 'normal');
    const second = await q().enqueued(LANE, 'normal');
    const interactive = await q().enqueued(LANE, 'interactive');
    const order = [];
    for (let n = 0; n < 4; n++) order.push((await pulled(worker)).ref);
    expect(order).toEqual([interactive, normal, second, bulk]);
  });

  it('wakes up for a job in a lane that did not exist when it began to wait', async () => {
    const worker = await q().puller();
    await q().enqueued('known.64x64');
    await pulled(worker);
    await asleep(worker);
    const waiting = next(worker);
    const ref = await q().enqueued('brand-new.64x64');
    expect((await waiting)?.ref).toEqual(ref);
  });

  it('wakes every idle puller when several jobs arrive', async () => {
    const workers = await Promise.all([q().puller(), q().puller(), q().puller()]);
    const waiting = workers.map((worker) => next(worker));
    const refs = await Promise.all([q().enqueued(), q().enqueued(), q().enqueued()]);
    const jobs = await Promise.all(waiting);
    expect(new Set(jobs.map((job) => job?.ref.id))).toEqual(new Set(refs.map(({ id }) => id)));
  });

  it('gives nothing after the timeout, and nothing when the signal aborts', async () => {
    const worker = await q().puller();
    expect(await worker.next({ timeoutMs: 20, signal: NEVER })).toBeUndefined();
    const stop = new AbortController();
    const waiting = worker.next({ timeoutMs: 60_000, signal: stop.signal });
    stop.abort();
    expect(await waiting).toBeUndefined();
    expect(await worker.next({ timeoutMs: 60_000, signal: stop.signal })).toBeUndefined();
  });

  it('passes a wake-up on when it stopped to listen', async () => {
    const [gone, other] = [await q().puller(), await q().puller()];
    await q().enqueued();
    await gone.complete(await pulled(gone));
    await asleep(gone);
    const stop = new AbortController();
    // Both block on the marker; the first in the line is the one that stops to listen.
    const lost = gone.next({ timeoutMs: 60_000, signal: stop.signal });
    await q().blockedClients(1);
    const waiting = next(other);
    await q().blockedClients(2);
    stop.abort();
    await lost;
    const ref = await q().enqueued();
    expect((await waiting)?.ref).toEqual(ref);
  });

  it('passes a wake-up on when it takes from a lane that it prefers', async () => {
    const [both, one] = [await q().puller(), await q().puller()];
    for (const lane of ['a.64x64', 'b.64x64']) {
      await q().enqueued(lane);
      await both.complete(await pulled(both));
    }
    await asleep(both);
    const timing = { timeoutMs: 60_000, signal: AbortSignal.timeout(WITHOUT_POLL_MS) };
    const first = both.next({ ...timing, order: byName });
    await q().blockedClients(1);
    const second = one.next({ ...timing, accepts: (lane) => lane === 'b.64x64' });
    await q().blockedClients(2);
    await Promise.all([q().enqueued('b.64x64'), q().enqueued('a.64x64')]);
    // Woken for b, it takes a if that is there by then; then b is for the other, who must hear of it.
    const lane = (await first)?.lane;
    const rest = lane === 'a.64x64' ? await second : await next(both);
    expect(new Set([lane, rest?.lane])).toEqual(new Set(['a.64x64', 'b.64x64']));
  });

  it('gives each job to one puller only', async () => {
    const workers = await Promise.all([q().puller(), q().puller(), q().puller()]);
    const refs = await Promise.all(Array.from({ length: 60 }, (_, n) => q().enqueued(`m${n % 5}.64x64`)));
    const seen: string[] = [];
    const drain = async (worker: LanePuller): Promise<void> => {
      while (seen.length < refs.length) {
        const job = await next(worker, 50);
        if (job === undefined) continue;
        seen.push(job.ref.id);
        await worker.complete(job);
      }
    };
    await Promise.all(workers.map(drain));
    expect(seen.toSorted()).toEqual(refs.map(({ id }) => id).toSorted());
  });
});

/** Less than the 5 s after which a puller looks by itself: only a wake-up can end it in time. */
const WITHOUT_POLL_MS = 3_000;

function next(from: LanePuller, timeoutMs = WITHOUT_POLL_MS): Promise<PulledJob | undefined> {
  // By a signal: after a timeout a puller takes a last look.
  return from.next({ timeoutMs: 60_000, signal: AbortSignal.timeout(timeoutMs) });
}
