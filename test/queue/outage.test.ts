import { once } from 'node:events';
import type { Redis } from 'ioredis';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JobRef } from '../../src/domain/job.ts';
import { subscribeCancels } from '../../src/queue/cancel-bus.ts';
import { checkRedis, connectApi, connectWorker, isRedisUnavailable } from '../../src/queue/connection.ts';
import { JobRecords } from '../../src/queue/job-records.ts';
import { Keys } from '../../src/queue/keys.ts';
import { LanePuller } from '../../src/queue/lane-puller.ts';
import { Lanes } from '../../src/queue/lanes.ts';
import { OutboxTail } from '../../src/queue/outbox.ts';
import { newRef, someParams, someResult } from '../support/jobs.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

const log = pino({ level: 'silent' });
const LANE = 'm.64x64';
const NEVER = new AbortController().signal;
const FAIL_LIMIT_MS = 3_000;

let server: TestRedis;
let keys: Keys;
let undo: (() => unknown)[];

beforeEach(async () => {
  server = await startRedis();
  keys = new Keys(server.prefix());
  undo = [];
});
afterEach(async () => {
  for (const step of undo.toReversed()) await step();
  await server.stop();
});

/** The parts of an API process and of a worker, each with its own connection. */
function farm(options: { lockMs?: number } = {}) {
  const api = connectApi({ redisUrl: server.url }, log);
  const worker = connectWorker({ redisUrl: server.url }, log);
  const recordTtlMs = 60_000;
  const lanes = new Lanes(api, keys);
  const records = new JobRecords(api, keys, { recordTtlMs });
  const puller = new LanePuller(worker, keys, { workerName: 'w', lockMs: 30_000, log, ...options });
  const claims = new JobRecords(worker, keys, { recordTtlMs });
  undo.push(
    () => api.disconnect(),
    () => worker.disconnect(),
    () => lanes.close(),
    () => puller.close(),
  );
  return { api, worker, lanes, records, puller, claims };
}

async function ready(redis: Redis): Promise<void> {
  if (redis.status !== 'ready') await once(redis, 'ready');
}

async function failure(action: () => Promise<unknown>): Promise<{ error: unknown; ms: number }> {
  const started = performance.now();
  try {
    await action();
  } catch (error) {
    return { error, ms: performance.now() - started };
  }
  throw new Error('it should have failed');
}

describe('an API whose Redis is away', () => {
  it('fails every call soon, as unavailable, and works again when it is back, also when it was down at boot', async () => {
    await server.kill('SIGKILL');
    const { api, lanes, records } = farm();
    const ref = newRef();
    const admission = { ref, params: someParams(), lane: LANE };
    const calls = [
      () => records.admit(admission),
      () => lanes.enqueue(ref, LANE, 'normal'),
      () => lanes.position(ref, LANE),
      () => records.read(ref),
    ];
    for (const call of calls) {
      const { error, ms } = await failure(call);
      expect(isRedisUnavailable(error)).toBe(true);
      expect(ms).toBeLessThan(FAIL_LIMIT_MS);
    }
    await server.restart();
    await ready(api);
    expect(await records.admit(admission)).toMatchObject({ kind: 'admitted' });
    await lanes.enqueue(ref, LANE, 'normal');
    expect(await lanes.position(ref, LANE)).toBe(1);
    await server.kill('SIGKILL');
    expect(isRedisUnavailable((await failure(() => lanes.enqueue(newRef(), LANE, 'normal'))).error)).toBe(
      true,
    );
    await server.restart();
    await ready(api);
    await lanes.enqueue(newRef(), LANE, 'normal');
    expect(await lanes.depth(LANE)).toBe(2);
  });

  it('fails within 3 s when Redis is frozen, and the job may be accepted all the same', async () => {
    const { api, records } = farm();
    await ready(api);
    await records.admit({ ref: newRef(), params: someParams(), lane: LANE });
    const ref = newRef();
    const admission = { ref, params: someParams(), lane: LANE, idempotency: { key: 'k', bodyHash: 'h' } };
    await server.kill('SIGSTOP');
    const { error, ms } = await failure(() => records.admit(admission));
    await server.kill('SIGCONT');
    expect(isRedisUnavailable(error)).toBe(true);
    expect(ms).toBeLessThan(FAIL_LIMIT_MS);
    // The caller's retry with its key gets the one job.
    const retry = { ...admission, ref: newRef() };
    expect(await records.admit(retry)).toEqual({ kind: 'existing', id: ref.id });
  });

  it.each([
    ['OOM', ['maxmemory', '1'], ['maxmemory', '0']],
    ['MISCONF', ['min-replicas-to-write', '1'], ['min-replicas-to-write', '0']],
  ])('calls a refusal like %s unavailable', async (_name, cause, cure) => {
    const { api, records, lanes } = farm();
    await ready(api);
    await lanes.enqueue(newRef(), LANE, 'normal');
    await api.config('SET', cause[0]!, cause[1]!);
    const ref = newRef();
    const admission = { ref, params: someParams(), lane: LANE };
    expect(isRedisUnavailable((await failure(() => records.admit(admission))).error)).toBe(true);
    expect(isRedisUnavailable((await failure(() => lanes.enqueue(ref, LANE, 'normal'))).error)).toBe(true);
    await api.config('SET', cure[0]!, cure[1]!);
    expect(await records.admit(admission)).toMatchObject({ kind: 'admitted' });
  });

  it('calls other errors by their name', async () => {
    const { api } = farm();
    await ready(api);
    const { error } = await failure(() => api.eval('return redis.call("NOSUCH")', 0));
    expect(isRedisUnavailable(error)).toBe(false);
    expect(isRedisUnavailable(new Error('LOADING the model'))).toBe(false);
    expect(isRedisUnavailable(new Error('lane', { cause: new Error('Connection is closed.') }))).toBe(true);
  });
});

describe('a Redis on which Kiln cannot keep its promises', () => {
  it('is refused when it evicts keys, and taken with noeviction', async () => {
    const redis = server.client();
    await checkRedis(redis, log);
    await redis.config('SET', 'maxmemory', '100mb');
    await checkRedis(redis, log);
    await redis.config('SET', 'maxmemory-policy', 'allkeys-lru');
    await expect(checkRedis(redis, log)).rejects.toThrow(/allkeys-lru.*noeviction/);
  });

  it('is told to the log when it keeps nothing on disk', async () => {
    const redis = server.client();
    const lines: string[] = [];
    const warnings = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) });
    await checkRedis(redis, warnings);
    expect(lines).toEqual([]);
    await redis.config('SET', 'appendonly', 'no');
    await checkRedis(redis, warnings);
    expect(lines.join('')).toContain('appendonly');
  });
});

describe('when Redis is killed and started again', () => {
  it('no accepted job is lost, every one ends once, and nobody needs a restart', async () => {
    const { api, lanes, records, puller, claims } = farm();
    await ready(api);
    await puller.start();
    const accepted: JobRef[] = [];
    const stop = new AbortController();
    const working = work(puller, claims, stop.signal);
    const total = 60;
    while (accepted.length < total) {
      const ref = newRef();
      const admission = { ref, params: someParams(), lane: LANE };
      const isAccepted = await records.admit(admission).then(
        () => true,
        () => false,
      );
      if (isAccepted) {
        accepted.push(ref);
        await lanes.enqueue(ref, LANE, 'normal').catch(() => undefined);
      }
      if (accepted.length === total / 2 && isAccepted) {
        await server.kill('SIGKILL');
        await server.restart();
      }
      if (!isAccepted) await ready(api);
    }
    // What was accepted but not put into its lane is the reconciler's work; here the test does it.
    const jobs = await Promise.all(accepted.map((ref) => records.read(ref)));
    expect(jobs.every((job) => job !== undefined)).toBe(true);
    await Promise.all(accepted.map((ref) => lanes.enqueue(ref, LANE, 'normal')));
    for (const ref of accepted) {
      while ((await records.read(ref))?.state !== 'succeeded');
      const ends = (await records.history(ref)).filter(({ to }) => to === 'succeeded');
      expect(ends).toHaveLength(1);
    }
    stop.abort();
    await working;
    expect((await records.usage('default')).jobs).toBe(total);
  });

  it('a waiting puller hears of the next job, and the tail and the cancel bus go on', async () => {
    const { api, worker, lanes, records, puller, claims } = farm();
    await ready(api);
    await puller.start();
    const tail = new OutboxTail(api, keys, log);
    tail.start();
    undo.push(() => tail.close());
    const cancelled: string[] = [];
    const bus = subscribeCancels(worker, keys, (ref) => cancelled.push(ref.id));
    undo.push(() => bus.close());

    const ref = newRef();
    await records.admit({ ref, params: someParams(), lane: LANE });
    await lanes.enqueue(ref, LANE, 'normal');
    await puller.complete((await puller.next({ timeoutMs: 10_000, signal: NEVER }))!);
    const waiting = puller.next({ timeoutMs: 30_000, signal: NEVER });
    await server.kill('SIGKILL');
    await server.restart();
    await ready(api);
    await lanes.enqueue(ref, LANE, 'normal');
    expect((await waiting)?.ref).toEqual(ref);

    const ended = tail.waitForTerminal(ref, AbortSignal.timeout(20_000));
    await claims.claim(ref, 'w');
    while ((await api.pubsub('NUMSUB', keys.cancels))[1] !== 1);
    await records.cancel(ref);
    expect((await ended)?.type).toBe('job.cancelled');
    while (cancelled.length === 0) await api.ping();
    expect(cancelled).toEqual([ref.id]);
  });

  it('a job that ran meanwhile is committed by its holder, once', async () => {
    const { api, lanes, records, puller, claims } = farm();
    await ready(api);
    await puller.start();
    const ref = newRef();
    await records.admit({ ref, params: someParams(), lane: LANE });
    await lanes.enqueue(ref, LANE, 'normal');
    const job = await puller.next({ timeoutMs: 10_000, signal: NEVER });
    const claim = await claims.claim(ref, 'w');
    expect(claim.kind).toBe('claimed');
    await server.kill('SIGKILL');
    const committing = claims.commit(ref, 1, someResult(ref, 1));
    await server.restart();
    expect(await committing).toBe('committed');
    expect(await puller.renew([job!])).toEqual([]);
    await puller.complete(job!);
    await ready(api);
    expect(await lanes.has(ref, LANE)).toBe(false);
  });
});

describe('a puller whose Redis is frozen', () => {
  it('returns when told to stop, and gives back what it still got', async () => {
    const { api, lanes, puller } = farm();
    await ready(api);
    await puller.start();
    const ref = newRef();
    await lanes.enqueue(ref, LANE, 'normal');
    await puller.complete((await puller.next({ timeoutMs: 10_000, signal: NEVER }))!);
    await lanes.enqueue(ref, LANE, 'normal');
    await server.kill('SIGSTOP');
    const stop = new AbortController();
    const waiting = puller.next({ timeoutMs: 60_000, signal: stop.signal });
    stop.abort();
    expect(await waiting).toBeUndefined();
    await server.kill('SIGCONT');
    expect((await puller.next({ timeoutMs: 10_000, signal: NEVER }))?.ref).toEqual(ref);
  });
});

async function work(puller: LanePuller, records: JobRecords, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const job = await puller.next({ timeoutMs: 1_000, signal });
    if (job === undefined) continue;
    const claim = await records.claim(job.ref, 'w');
    if (claim.kind === 'claimed')
      await records.commit(job.ref, claim.fence, someResult(job.ref, claim.fence));
    await puller.complete(job);
  }
}
