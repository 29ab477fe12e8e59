/** What most tests of the queue need: a Redis for the file, and a prefix and fresh parts for each test. */
import { once } from 'node:events';
import type { Redis } from 'ioredis';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import type { JobState } from '../../src/domain/job-state.ts';
import type { JobRef, Priority } from '../../src/domain/job.ts';
import { JobRecords } from '../../src/queue/job-records.ts';
import { Keys } from '../../src/queue/keys.ts';
import { LanePuller, type LanePullerOptions, type PulledJob } from '../../src/queue/lane-puller.ts';
import { Lanes } from '../../src/queue/lanes.ts';
import { newRef, someParams, someResult } from '../support/jobs.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

export const LANE = 'pocket-base.64x64';
export const FAILURE = { code: 'render_failed', message: 'it broke' };
export const RECORD_TTL_MS = 60_000;
export const NEVER = new AbortController().signal;

export class QueueFixture {
  readonly server: TestRedis;
  readonly redis: Redis;
  readonly keys: Keys;
  readonly records: JobRecords;
  readonly lanes: Lanes;
  readonly #pullers: LanePuller[] = [];

  constructor(server: TestRedis, redis: Redis) {
    this.server = server;
    this.redis = redis;
    this.keys = new Keys(server.prefix());
    this.records = new JobRecords(redis, this.keys, { recordTtlMs: RECORD_TTL_MS });
    this.lanes = new Lanes(redis, this.keys);
  }

  async close(): Promise<void> {
    await Promise.all(this.#pullers.map((puller) => puller.close()));
    await this.lanes.close();
  }

  async admitted(ref = newRef()): Promise<JobRef> {
    await this.records.admit({ ref, params: someParams(), lane: LANE });
    return ref;
  }

  async claimed(worker = 'w1'): Promise<{ ref: JobRef; fence: number }> {
    const ref = await this.admitted();
    const claim = await this.records.claim(ref, worker);
    if (claim.kind !== 'claimed') throw new Error('the claim was refused');
    return { ref, fence: claim.fence };
  }

  async inState(state: JobState): Promise<{ ref: JobRef; fence: number }> {
    if (state === 'queued') return { ref: await this.admitted(), fence: 0 };
    const { ref, fence } = await this.claimed();
    if (state === 'succeeded') await this.records.commit(ref, fence, someResult(ref, fence));
    if (state === 'failed') await this.records.fail(ref, fence, FAILURE);
    if (state === 'cancelled') await this.records.cancel(ref);
    return { ref, fence };
  }

  async outboxTypes(): Promise<string[]> {
    const entries = await this.redis.xrange(this.keys.outbox, '-', '+');
    return entries.map(([, fields]) => fields[1] ?? '');
  }

  /** Ends of the keys of the tenant's indexes that name the job. */
  async indexedUnder(ref: JobRef): Promise<string[]> {
    const names = (await this.redis.keys(`${this.keys.index(ref.tenant)}*`)).toSorted();
    const scores = await Promise.all(names.map((name) => this.redis.zscore(name, ref.id)));
    return names.filter((_name, n) => scores[n] !== null).map((name) => name.slice(this.keys.prefix.length));
  }

  async enqueued(lane = LANE, priority: Priority = 'normal'): Promise<JobRef> {
    const ref = newRef();
    await this.lanes.enqueue(ref, lane, priority);
    return ref;
  }

  async puller(options: Partial<LanePullerOptions> = {}): Promise<LanePuller> {
    const puller = new LanePuller(this.server.client(), this.keys, {
      workerName: 'w',
      lockMs: 30_000,
      log: pino({ level: 'silent' }),
      ...options,
    });
    this.#pullers.push(puller);
    await puller.start();
    return puller;
  }

  /** Resolves when so many connections block on keys of this Redis. */
  async blockedClients(count: number): Promise<void> {
    for (;;) {
      const info = await this.redis.info('clients');
      if (Number(/blocked_clients:(\d+)/.exec(info)?.[1]) >= count) return;
    }
  }
}

/** Call at the top of a test file; the function gives the fixture of the running test. */
export function queueFixture(): () => QueueFixture {
  let server: TestRedis;
  let redis: Redis;
  let fixture: QueueFixture;
  beforeAll(async () => {
    server = await startRedis();
    redis = server.client();
    await once(redis, 'ready');
  });
  afterAll(() => server.stop());
  beforeEach(() => {
    fixture = new QueueFixture(server, redis);
  });
  afterEach(() => fixture.close());
  return () => fixture;
}

export async function pulled(from: LanePuller, timeoutMs = 10_000): Promise<PulledJob> {
  const job = await from.next({ timeoutMs, signal: NEVER });
  if (job === undefined) throw new Error('nothing was pulled');
  return job;
}
