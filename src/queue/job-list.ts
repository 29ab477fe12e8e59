/** Reading many jobs of a tenant: newest first, through the index of all or of one state. */
import type { Redis } from 'ioredis';
import type { JobState } from '../domain/job-state.ts';
import type { JobRecord, JobRef } from '../domain/job.ts';
import { toRecord } from './job-hash.ts';
import type { Keys } from './keys.ts';

export interface JobFilter {
  readonly state?: JobState;
  readonly kind?: string;
  readonly model?: string;
  readonly limit: number;
  readonly cursor?: string;
}

export interface JobPage {
  readonly records: JobRecord[];
  /** Where the next page starts; null on the last. A page may hold fewer records than asked for, even none. */
  readonly cursor: string | null;
}

/** Most index entries looked at for one page, so that a rare model cannot make one call read a million records. */
const MAX_LOOKED_AT = 1_000;

/**
 * A cursor is the score of the last entry looked at. Scores are unique and never change, so pages neither repeat nor
 * skip a job, whatever is added or finishes between two calls. Throws for a cursor that is not a number.
 */
export async function listJobs(
  redis: Redis,
  keys: Keys,
  tenant: string,
  filter: JobFilter,
): Promise<JobPage> {
  const index = keys.index(tenant, filter.state);
  const records: JobRecord[] = [];
  let position = filter.cursor === undefined ? '+inf' : afterCursor(filter.cursor);
  for (let lookedAt = 0; lookedAt < MAX_LOOKED_AT;) {
    const flat = await redis.zrevrangebyscore(
      index,
      position,
      '-inf',
      'WITHSCORES',
      'LIMIT',
      0,
      filter.limit,
    );
    const entries = toEntries(flat);
    const found = await readJobs(
      redis,
      keys,
      entries.map(({ id }) => ({ tenant, id })),
    );
    for (const [n, entry] of entries.entries()) {
      const record = found[n];
      if (record === undefined || !fits(record, filter)) continue;
      records.push(record);
      if (records.length === filter.limit) return { records, cursor: entry.score };
    }
    const last = entries.at(-1);
    if (last === undefined || entries.length < filter.limit) return { records, cursor: null };
    position = `(${last.score}`;
    lookedAt += entries.length;
  }
  return { records, cursor: position.slice(1) };
}

/** In the order of the refs; undefined for those without a record. One round trip. */
export async function readJobs(
  redis: Redis,
  keys: Keys,
  refs: readonly JobRef[],
): Promise<(JobRecord | undefined)[]> {
  const pipeline = redis.pipeline();
  for (const ref of refs) pipeline.hgetall(keys.job(ref));
  const replies = (await pipeline.exec()) ?? [];
  return refs.map((ref, n) => {
    const [error, hash] = replies[n] ?? [new Error(`no reply for job ${ref.id}`)];
    if (error) throw error;
    const fields = new Map(Object.entries(toObject(hash)));
    return fields.size === 0 ? undefined : toRecord(ref, fields);
  });
}

export function toObject(hash: unknown): Record<string, string> {
  if (typeof hash !== 'object' || hash === null) return {};
  return Object.fromEntries(Object.entries(hash).map(([field, value]) => [field, String(value)]));
}

/** Members and scores, as WITHSCORES gives them. */
export function toEntries(flat: readonly string[]): { id: string; score: string }[] {
  const entries = [];
  for (let n = 0; n + 1 < flat.length; n += 2) entries.push({ id: flat[n] ?? '', score: flat[n + 1] ?? '' });
  return entries;
}

/** The state is looked at again: a job may have moved on since its index entry was read. */
function fits(record: JobRecord, filter: JobFilter): boolean {
  return (
    (filter.state === undefined || record.state === filter.state) &&
    (filter.kind === undefined || record.params.kind === filter.kind) &&
    (filter.model === undefined || record.params.model === filter.model)
  );
}

/** The range of scores behind a cursor. Throws InvalidCursorError. */
export function afterCursor(cursor: string): string {
  if (!/^\d{1,16}(?:\.\d{1,16})?$/.test(cursor)) {
    throw new InvalidCursorError(`the cursor '${cursor.slice(0, 40)}' is not one that an earlier page gave`);
  }
  return `(${cursor}`;
}

/** Thrown by `list` for a cursor that no page ever gave: the caller's fault, not Kiln's. */
export class InvalidCursorError extends Error {
  override readonly name = 'InvalidCursorError';
}
