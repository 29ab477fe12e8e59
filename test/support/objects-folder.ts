import type { Config } from '../../src/config.ts';

/** Where a farm of the tests keeps its objects. Throws for one whose objects are in a bucket. */
export function objectsFolder({ store }: Config): string {
  if (store.kind !== 'local') throw new Error('the objects of this farm are not in a folder');
  return store.folder;
}
