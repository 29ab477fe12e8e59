/** How the rows of a bulk ended, wherever that is kept: in Redis until their chunk is whole, then in the store. */
import { parseOutcomeLines } from './bulk-outcome-json.ts';
import { CHUNK_ROWS, type Bulk, type RowOutcome } from './domain/bulk.ts';
import type { BulkFeed } from './queue/bulk-feed.ts';
import { bulkOutcomesKey } from './storage/object-keys.ts';
import type { ObjectStore } from './storage/object-store.ts';

export interface OutcomeSources {
  readonly feed: Pick<BulkFeed, 'outcomes' | 'bits'>;
  readonly store: Pick<ObjectStore, 'get'>;
}

export type Outcomes = ReadonlyMap<number, RowOutcome>;

/**
 * By row, of one chunk. Rows that have not ended are missing: they wait, are queued or run; in a cancelled bulk also
 * those that were cancelled before they had a job.
 */
export async function readOutcomes(sources: OutcomeSources, bulk: Bulk, chunk: number): Promise<Outcomes> {
  // In this order: what leaves Redis while we read is in the store before.
  const { outcomes } = await sources.feed.outcomes(bulk, chunk);
  const stored = await storedOutcomes(sources.store, bulk, chunk);
  const all = new Map([...stored, ...outcomes.map((outcome) => [outcome.row, outcome] as const)]);
  if (bulk.run === 0) return all;
  // A row that is tried again still has the outcome of its last run, until it has another.
  const isDone = await sources.feed.bits(bulk, 'done', chunk);
  return new Map([...all].filter(([row]) => isDone(row % CHUNK_ROWS)));
}

/** What the newest run that wrote the chunk knew of it. */
export async function storedOutcomes(
  store: OutcomeSources['store'],
  bulk: Pick<Bulk, 'tenant' | 'id' | 'run'>,
  chunk: number,
): Promise<Map<number, RowOutcome>> {
  for (let run = bulk.run; run >= 0; run--) {
    const key = bulkOutcomesKey(bulk, run, chunk);
    const bytes = await store.get(key);
    if (bytes !== undefined)
      return new Map(parseOutcomeLines(bytes, key).map((outcome) => [outcome.row, outcome]));
  }
  return new Map();
}
