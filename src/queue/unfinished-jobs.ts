import type { Redis } from 'ioredis';
import type { JobState } from '../domain/job-state.ts';
import type { JobRecord } from '../domain/job.ts';
import { redisTime } from './connection.ts';
import type { JobRecords } from './job-records.ts';
import type { Keys } from './keys.ts';

interface UnfinishedParts {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly records: Pick<JobRecords, 'read'>;
}

interface UnfinishedScope {
  readonly tenant: string;
  /** Younger jobs are left out. */
  readonly minAgeMs: number;
  readonly signal: AbortSignal;
}

const PAGE = 500;
/** In this order one that is claimed between the two scans is seen; only one handed back between them is missed. */
const STATES: readonly JobState[] = ['queued', 'running'];

/** The tenants that have had a job. */
export function tenantsOf({ redis, keys }: Pick<UnfinishedParts, 'redis' | 'keys'>): Promise<string[]> {
  return redis.smembers(keys.tenants);
}

/** Jobs that wait or run since long ago, some perhaps twice; ends early when the signal aborts. */
export async function* unfinishedJobs(
  { redis, keys, records }: UnfinishedParts,
  { tenant, minAgeMs, signal }: UnfinishedScope,
): AsyncGenerator<JobRecord> {
  const before = (await redisTime(redis)) - minAgeMs;
  for (const state of STATES) {
    for await (const id of idsOf(redis, keys.index(tenant, state), before)) {
      if (signal.aborted) return;
      const record = await records.read({ tenant, id });
      if (record !== undefined) yield record;
    }
  }
}

/**
 * The members of a sorted set up to a score, some perhaps twice. Scanned: pages by score would skip members at their
 * borders, since many jobs can have the same millisecond.
 */
async function* idsOf(redis: Redis, index: string, before: number): AsyncGenerator<string> {
  let cursor = '0';
  do {
    const [next, flat] = await redis.zscan(index, cursor, 'COUNT', PAGE);
    yield* flat.filter((_value, n) => n % 2 === 0 && Number(flat[n + 1]) <= before);
    cursor = next;
  } while (cursor !== '0');
}
