import { LocalStore } from './local-store.ts';
import type { ObjectStore } from './object-store.ts';
import type { StoreSettings } from './store-settings.ts';

/** Who waits for the store: callers of the API, or a worker with all the time in the world. */
export type StoreUser = 'api' | 'worker';

/** The store that the settings name. It is not reached for: a process starts while its store is down. */
export async function openStore(settings: StoreSettings, user: StoreUser): Promise<ObjectStore> {
  if (settings.kind === 'local') return new LocalStore(settings.folder);
  // The SDK takes a third of a second to load and memory to keep; whoever uses a folder pays neither.
  const [{ S3Store }, { API_PATIENCE, WORKER_PATIENCE }] = await Promise.all([
    import('./s3/s3-store.ts'),
    import('./s3/client.ts'),
  ]);
  const store = new S3Store(settings, { patience: user === 'api' ? API_PATIENCE : WORKER_PATIENCE });
  await store.checkRegion();
  return store;
}
