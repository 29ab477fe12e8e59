/** Everything that an upload puts into the store, until it is a bulk: a note says that it may have to be cleared away. */
import { Buffer } from 'node:buffer';
import type { BulkRef } from '../../src/domain/bulk.ts';
import { bulkFaultsFolder, bulkFileKey, bulkFolder, draftKey } from '../../src/storage/object-keys.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';

const DELETES_AT_ONCE = 16;

/** Before anything else. */
export async function beginDraft(store: ObjectStore, ref: BulkRef): Promise<void> {
  await store.put(draftKey(ref), Buffer.from(new Date().toISOString()), 'text/plain');
}

/** The upload has become a bulk. */
export function endDraft(store: ObjectStore, ref: BulkRef): Promise<void> {
  return store.delete(draftKey(ref));
}

/** It has come to nothing. With `faults`, `errors.csv` stays until the courier sweeps drafts. */
export async function dropDraft(
  store: ObjectStore,
  ref: BulkRef,
  { keepFaults }: { keepFaults: boolean },
): Promise<void> {
  const isKept = (key: string): boolean =>
    keepFaults && (key === bulkFileKey(ref) || key.startsWith(bulkFaultsFolder(ref)));
  const keys = (await store.list(bulkFolder(ref))).filter((key) => !isKept(key));
  for (let n = 0; n < keys.length; n += DELETES_AT_ONCE) {
    await Promise.all(keys.slice(n, n + DELETES_AT_ONCE).map((key) => store.delete(key)));
  }
  if (!keepFaults) await endDraft(store, ref);
}
