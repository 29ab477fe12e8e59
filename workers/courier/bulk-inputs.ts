/** Keeps the images of rows that are no jobs yet: a bulk may wait for longer than an image lives that nobody uses. */
import type { Logger } from 'pino';
import type { Bulk, BulkRow } from '../../src/domain/bulk.ts';
import { inputsOf } from '../../src/domain/job-params.ts';
import type { InputId, JobParams } from '../../src/domain/job.ts';
import { isUploadId } from '../../src/inputs/input-value.ts';
import { BulkFeed } from '../../src/queue/bulk-feed.ts';
import { BulkRecords } from '../../src/queue/bulk-records.ts';
import { redisTime } from '../../src/queue/connection.ts';
import type { Keys } from '../../src/queue/keys.ts';
import { parseBulkRows } from '../../src/storage/bulk-rows.ts';
import { bulkRowsKey, inputKey } from '../../src/storage/object-keys.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';

export interface BulkInputsParts {
  readonly redis: ConstructorParameters<typeof BulkRecords>[0];
  readonly keys: Keys;
  readonly store: Pick<ObjectStore, 'get' | 'touch'>;
  readonly log: Logger;
}

export interface BulkInputsScope {
  readonly tenant: string;
  /** Younger bulks have touched their images themselves, when they were accepted. */
  readonly minAgeMs: number;
  readonly signal: AbortSignal;
  readonly inputsOfJob: (params: JobParams) => readonly InputId[];
}

/** Each image once, though a million rows may name it. */
export async function keepInputsOfBulks(parts: BulkInputsParts, scope: BulkInputsScope): Promise<void> {
  const { redis, keys } = parts;
  const records = new BulkRecords(redis, keys);
  const youngest = (await redisTime(redis)) - scope.minAgeMs;
  for (const ref of await new BulkFeed(redis, keys).open()) {
    const bulk = ref.tenant === scope.tenant ? await records.read(ref) : undefined;
    if (bulk !== undefined && bulk.createdAt <= youngest) await keepInputsOf(parts, bulk, scope);
  }
}

async function keepInputsOf(parts: BulkInputsParts, bulk: Bulk, scope: BulkInputsScope): Promise<void> {
  const feed = new BulkFeed(parts.redis, parts.keys);
  const seen = new Set<InputId>();
  let chunk = await feed.nextUnfed(bulk, bulk.rows, 0);
  while (chunk !== undefined && !scope.signal.aborted) {
    const key = bulkRowsKey(bulk, chunk);
    const bytes = await parts.store.get(key);
    const rows = bytes === undefined ? [] : parseBulkRows(bytes, chunk, key);
    for (const input of new Set(rows.flatMap((row) => inputsOfRow(row, scope)))) {
      if (seen.has(input)) continue;
      seen.add(input);
      if (await parts.store.touch(inputKey(bulk.tenant, input))) continue;
      parts.log.warn({ bulk: bulk.id, input }, 'rows of a bulk wait whose image is gone');
    }
    chunk = await feed.nextUnfed(bulk, bulk.rows, chunk + 1);
  }
}

function inputsOfRow(row: BulkRow, { inputsOfJob }: BulkInputsScope): readonly InputId[] {
  if (row.reused !== undefined) return [];
  if ('params' in row) return inputsOfJob(row.params);
  // Addresses are fetched when their turn comes.
  return inputsOf(row.request).flatMap(([, value]) => (isUploadId(value) ? [value] : []));
}
