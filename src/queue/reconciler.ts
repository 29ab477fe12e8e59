/**
 * Finds jobs that fell between the record and its lane, and index entries whose record has expired.
 *
 * | found                                   | how it comes                                     | repair                     |
 * |-----------------------------------------|--------------------------------------------------|----------------------------|
 * | queued record, no BullMQ job            | a process died between admit and enqueue         | enqueue, but for rows of a |
 * |                                         |                                                  | bulk that is paused        |
 * | running record, no BullMQ job           | a last second of the AOF lost to a power failure | hand back, enqueue         |
 * | entry in an index, no record            | a finished record expired                        | remove the entry           |
 *
 * Every repair is safe when the finding is out of date: the scripts look at state and fence again, and a job put twice
 * into a lane is refused at its claim. Records are read in pages, so no command takes long.
 */
import type { Redis } from 'ioredis';
import { TERMINAL_STATES, type JobState } from '../domain/job-state.ts';
import type { JobRecord, JobRef } from '../domain/job.ts';
import { redisTime } from './connection.ts';
import type { JobRecords } from './job-records.ts';
import type { Keys } from './keys.ts';
import type { Lanes } from './lanes.ts';
import { toList } from './replies.ts';

export interface ReconcileParts {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly records: JobRecords;
  readonly lanes: Lanes;
}

export interface ReconcileOptions {
  /** Younger jobs are left alone: somebody may be about to enqueue them. */
  readonly graceMs: number;
  /** As given to JobRecords: no record expires sooner after the creation of its job. */
  readonly recordTtlMs: number;
  readonly signal: AbortSignal;
}

export interface Reconciled {
  /** Queued jobs that were put into their lane. */
  readonly enqueued: number;
  /** Running jobs without a holder that were handed back and put into their lane. */
  readonly handedBack: number;
  /** Index entries of expired records that were removed. */
  readonly swept: number;
}

interface Sketch {
  readonly ref: JobRef;
  readonly state: string | null;
  readonly lane: string;
  readonly startedAt: number;
}

/** Which jobs to look at: of one tenant, in one state, created before a time. */
interface Scope {
  readonly tenant: string;
  readonly state: JobState;
  readonly before: number;
  readonly signal: AbortSignal;
}

const PAGE = 500;

/** One pass over all tenants. Stops early, between two pages, when the signal aborts. */
export async function reconcile(parts: ReconcileParts, options: ReconcileOptions): Promise<Reconciled> {
  const { redis, keys } = parts;
  const now = await redisTime(redis);
  const grace = { before: now - options.graceMs, signal: options.signal };
  const expiry = { before: now - options.recordTtlMs, signal: options.signal };
  const sum = { enqueued: 0, handedBack: 0, swept: 0 };
  for (const tenant of await redis.smembers(keys.tenants)) {
    sum.enqueued += await enqueueLost(parts, { ...grace, tenant, state: 'queued' });
    sum.handedBack += await handBackLost(parts, { ...grace, tenant, state: 'running' });
    for (const state of TERMINAL_STATES) sum.swept += await sweep(parts, { ...expiry, tenant, state });
  }
  return sum;
}

async function enqueueLost(parts: ReconcileParts, scope: Scope): Promise<number> {
  let count = 0;
  for await (const page of pages(parts, scope)) {
    count += await repair(parts, await withoutLaneJob(parts, page), async (record) => {
      if (record.state !== 'queued' || (await isHeld(parts, record))) return false;
      await parts.lanes.enqueue(record, record.lane, record.params.priority);
      return true;
    });
  }
  return count;
}

/** True for a row of a bulk that is paused: it was taken out of its lane and is put back when the bulk goes on. */
async function isHeld({ redis, keys }: ReconcileParts, { tenant, params }: JobRecord): Promise<boolean> {
  const { bulk } = params;
  return bulk !== null && (await redis.hget(keys.bulk({ tenant, id: bulk.id }), 'state')) === 'paused';
}

async function handBackLost(parts: ReconcileParts, scope: Scope): Promise<number> {
  let count = 0;
  for await (const page of pages(parts, scope)) {
    const old = page.filter(({ startedAt }) => startedAt <= scope.before);
    count += await repair(parts, await withoutLaneJob(parts, old), async (record) => {
      if (record.state !== 'running') return false;
      if ((await parts.records.handBack(record, record.fence, 'lost')) === 'stale') return false;
      await parts.lanes.enqueue(record, record.lane, record.params.priority);
      return true;
    });
  }
  return count;
}

async function sweep(parts: ReconcileParts, scope: Scope): Promise<number> {
  const { redis, keys } = parts;
  let count = 0;
  for await (const page of pages(parts, scope)) {
    const ids = page.filter(({ state }) => state === null).map(({ ref }) => ref.id);
    if (ids.length === 0) continue;
    const both = [keys.index(scope.tenant), keys.index(scope.tenant, scope.state)];
    await Promise.all(both.map((index) => redis.zrem(index, ...ids)));
    count += ids.length;
  }
  return count;
}

/** The entries of one index that were created before a time, oldest first; ends early when the signal aborts. */
async function* pages({ redis, keys }: ReconcileParts, scope: Scope): AsyncGenerator<Sketch[]> {
  const { tenant, before, signal } = scope;
  const index = keys.index(tenant, scope.state);
  for (let after = '-inf'; !signal.aborted;) {
    const flat = await redis.zrangebyscore(index, after, before, 'WITHSCORES', 'LIMIT', 0, PAGE);
    if (flat.length === 0) return;
    const ids = flat.filter((_value, n) => n % 2 === 0);
    const pipeline = redis.pipeline();
    for (const id of ids) pipeline.hmget(keys.job({ tenant, id }), 'state', 'lane', 'startedAt');
    const replies = (await pipeline.exec()) ?? [];
    yield ids.map((id, n) => toSketch({ tenant, id }, replies[n]));
    after = `(${flat.at(-1)}`;
  }
}

function toSketch(ref: JobRef, reply: [error: Error | null, result: unknown] | undefined): Sketch {
  const [error, fields] = reply ?? [new Error(`no reply for job ${ref.id}`), undefined];
  if (error !== null) throw error;
  const [state, lane, startedAt] = toList(fields);
  return {
    ref,
    state: typeof state === 'string' ? state : null,
    lane: typeof lane === 'string' ? lane : '',
    startedAt: Number(startedAt ?? 0),
  };
}

async function withoutLaneJob({ redis, keys }: ReconcileParts, page: readonly Sketch[]): Promise<JobRef[]> {
  const alive = page.filter(({ state }) => state !== null);
  if (alive.length === 0) return [];
  const pipeline = redis.pipeline();
  for (const { ref, lane } of alive) pipeline.exists(keys.lane(lane, ref.id));
  const replies = (await pipeline.exec()) ?? [];
  return alive.filter((_sketch, n) => replies[n]?.[1] === 0).map(({ ref }) => ref);
}

/** Reads each record again first: most findings that are out of date end here. */
async function repair(
  parts: ReconcileParts,
  refs: readonly JobRef[],
  action: (record: JobRecord) => Promise<boolean>,
): Promise<number> {
  let count = 0;
  for (const ref of refs) {
    const record = await parts.records.read(ref);
    if (record !== undefined && (await action(record))) count++;
  }
  return count;
}
