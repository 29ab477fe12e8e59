/**
 * Clears away what uploads have left that never became bulks: those of an API that died half-way, and the lists of errors
 * of files that were refused. A note in the store names each, so that no folder of a bulk is looked through for nothing.
 */
import type { Logger } from 'pino';
import type { BulkRef } from '../../src/domain/bulk.ts';
import { DEFAULT_TENANT } from '../../src/domain/job.ts';
import { isBulkId } from '../../src/job-id.ts';
import { BulkRecords } from '../../src/queue/bulk-records.ts';
import type { Keys } from '../../src/queue/keys.ts';
import type { Lease } from '../../src/queue/lease.ts';
import { tenantsOf } from '../../src/queue/unfinished-jobs.ts';
import { bulkDocumentKey, bulkFolder, draftKey, draftsFolder } from '../../src/storage/object-keys.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';

const DAY_MS = 24 * 3_600_000;
export const DRAFT_SWEEP_PAUSE_MS = 3_600_000;

export interface DraftSweepParts {
  readonly redis: ConstructorParameters<typeof BulkRecords>[0];
  readonly keys: Keys;
  readonly store: ObjectStore;
  readonly lease: Lease;
  readonly log: Logger;
}

/** One sweep over all tenants; `now` in ms since the epoch. Does nothing without the lease. */
export async function sweepDrafts(parts: DraftSweepParts, now: number): Promise<void> {
  if (!(await parts.lease.take())) return;
  let dropped = 0;
  for (const tenant of new Set([DEFAULT_TENANT, ...(await tenantsOf(parts))])) {
    for (const key of await parts.store.list(draftsFolder(tenant))) {
      const ref = { tenant, id: key.slice(draftsFolder(tenant).length) };
      if (isBulkId(ref.id) && (await isOld(parts.store, key, now)) && (await dropDraft(parts, ref)))
        dropped++;
    }
  }
  if (dropped > 0) parts.log.info({ dropped }, 'what uploads left behind was cleared away');
}

async function isOld(store: ObjectStore, key: string, now: number): Promise<boolean> {
  const note = await store.get(key);
  const begun = note === undefined ? NaN : Date.parse(Buffer.from(note).toString());
  return begun < now - DAY_MS;
}

/** False for one that has become a bulk after all: only its note is deleted. */
async function dropDraft({ redis, keys, store }: DraftSweepParts, ref: BulkRef): Promise<boolean> {
  const isBulk =
    (await new BulkRecords(redis, keys).read(ref)) !== undefined ||
    (await store.getStart(bulkDocumentKey(ref), 1)) !== undefined;
  if (!isBulk) for (const key of await store.list(bulkFolder(ref))) await store.delete(key);
  await store.delete(draftKey(ref));
  return !isBulk;
}
