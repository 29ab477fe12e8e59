/** All that is known of a job: its record, and the transitions that led to it. */
import type { Redis } from 'ioredis';
import type { JobRecord, JobRef } from '../domain/job.ts';
import type { JobState } from '../domain/job-state.ts';
import { toRecord, toState } from './job-hash.ts';
import { toObject } from './job-list.ts';
import type { Keys } from './keys.ts';
import { parseJson, toList } from './replies.ts';

export interface HistoryEntry {
  /** Of the event in the outbox that told of it: `<ms>-<number>`, growing. */
  readonly id: string;
  readonly at: number;
  readonly from: JobState | null;
  readonly to: JobState;
  readonly fence: number;
  readonly reason: string;
  readonly worker?: string;
}

export interface JobStory {
  readonly record: JobRecord;
  /** Oldest first; the newest 256 transitions. The last one led to the record's state. */
  readonly history: readonly HistoryEntry[];
}

/** Both as of one moment; undefined when there is no record. */
export async function readStory(redis: Redis, keys: Keys, ref: JobRef): Promise<JobStory | undefined> {
  const read = redis.multi().hgetall(keys.job(ref)).lrange(keys.history(ref), 0, -1);
  const [record, history] = ((await read.exec()) ?? []).map(([error, reply]) => {
    if (error !== null) throw error;
    return reply;
  });
  const fields = new Map(Object.entries(toObject(record)));
  if (fields.size === 0) return undefined;
  const entries = toList(history).map((text, n) => toHistoryEntry(String(text), n, ref));
  return { record: toRecord(ref, fields), history: entries };
}

export function toHistoryEntry(text: string, n: number, ref: JobRef): HistoryEntry {
  const what = `history of job ${ref.id}`;
  const entry = parseJson(text);
  if (typeof entry !== 'object' || entry === null) throw new Error(`${what} holds ${text}`);
  const fields = new Map<string, unknown>(Object.entries(entry));
  const { id, from, worker } = Object.fromEntries(fields);
  const at = Number(fields.get('at'));
  return {
    // An older Kiln noted no id; this one grows as well.
    id: typeof id === 'string' ? id : `${at}-${n}`,
    at,
    from: typeof from === 'string' ? toState(from, what) : null,
    to: toState(String(fields.get('to')), what),
    fence: Number(fields.get('fence')),
    reason: String(fields.get('reason')),
    ...(typeof worker === 'string' ? { worker } : {}),
  };
}
