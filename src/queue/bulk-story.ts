/** All that is known of a bulk: its record, and what became of it as a whole. */
import { Compile } from 'typebox/compile';
import { Type, type Static } from 'typebox';
import type { Redis } from 'ioredis';
import { BULK_STATES, type Bulk, type BulkRef } from '../domain/bulk.ts';
import { toBulk } from './bulk-hash.ts';
import { toObject } from './job-list.ts';
import type { Keys } from './keys.ts';
import { parseJson, toList } from './replies.ts';

const Entry = Type.Object({
  /** Of the event in the outbox that told of it: `<ms>-<number>`, growing. */
  id: Type.String(),
  at: Type.Integer(),
  /** `bulk.paused`, say. */
  event: Type.String(),
  /** After it. */
  state: Type.Enum(BULK_STATES),
  run: Type.Integer(),
});
export type BulkChange = Static<typeof Entry>;

export interface BulkStory {
  readonly bulk: Bulk;
  /** Oldest first; the newest 256. */
  readonly history: readonly BulkChange[];
}

const entry = Compile(Entry);

/** Both as of one moment; undefined when there is no record. */
export async function readBulkStory(redis: Redis, keys: Keys, ref: BulkRef): Promise<BulkStory | undefined> {
  const read = redis.multi().hgetall(keys.bulk(ref)).lrange(keys.bulk(ref, 'history'), 0, -1);
  const [record, history] = ((await read.exec()) ?? []).map(([error, reply]) => {
    if (error !== null) throw error;
    return reply;
  });
  const fields = new Map(Object.entries(toObject(record)));
  if (fields.size === 0) return undefined;
  const changes = toList(history)
    .map((text) => parseJson(String(text)))
    .filter((value) => entry.Check(value));
  return { bulk: toBulk(ref, fields), history: changes };
}
