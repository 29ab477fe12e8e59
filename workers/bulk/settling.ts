/** What is left to do for bulks apart from feeding them. Doing it twice gives the same. */
import type { Logger } from 'pino';
import { outcomeLines } from '../../src/bulk-outcome-json.ts';
import { storedOutcomes } from '../../src/bulk-outcomes.ts';
import type { Bulk } from '../../src/domain/bulk.ts';
import { cancelBulk, type BulkControlParts } from '../../src/queue/bulk-control.ts';
import type { BulkFeed } from '../../src/queue/bulk-feed.ts';
import { bulkDocument } from '../../src/storage/bulk-document.ts';
import { bulkDocumentKey, bulkOutcomesKey } from '../../src/storage/object-keys.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';

export interface SettlingParts extends BulkControlParts {
  readonly feed: Pick<BulkFeed, 'fullChunks' | 'outcomes' | 'forgetOutcomes' | 'close'>;
  readonly store: Pick<ObjectStore, 'get' | 'put'>;
  /** Of the record of a bulk that is over. */
  readonly recordTtlMs: number;
  readonly log: Logger;
}

/**
 * Stores the outcomes of whole chunks, ends what a cancel has left, and lets go of a bulk that is over: in this order,
 * so that whatever is lost on the way is found again.
 */
export async function settle(parts: SettlingParts, bulk: Bulk): Promise<void> {
  const { bulks, feed, store, log } = parts;
  if (bulk.state === 'cancelled' && bulk.finishedAt === null) await cancelBulk(parts, bulk);
  for (const chunk of await feed.fullChunks(bulk)) await storeChunk(parts, bulk, chunk);
  const now = await bulks.read(bulk);
  if (now === undefined || now.finishedAt === null) return;
  await store.put(bulkDocumentKey(now), bulkDocument(now), 'application/json');
  if (await feed.close(now, parts.recordTtlMs))
    log.info({ bulk: now.id, counts: now.counts }, 'bulk is over');
}

async function storeChunk({ feed, store }: SettlingParts, bulk: Bulk, chunk: number): Promise<void> {
  const { writes, outcomes } = await feed.outcomes(bulk, chunk);
  if (outcomes.length > 0) {
    const all = await storedOutcomes(store, bulk, chunk);
    for (const outcome of outcomes) all.set(outcome.row, outcome);
    const key = bulkOutcomesKey(bulk, bulk.run, chunk);
    await store.put(key, outcomeLines([...all.values()]), 'application/x-ndjson');
  }
  await feed.forgetOutcomes(bulk, chunk, writes);
}
