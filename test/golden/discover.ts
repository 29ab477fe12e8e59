/** Finds the cases of a folder laid out like the reference data, or holding any part of them. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { entriesOf, exists } from './files.ts';
import type { GoldenCase, GoldenRoot } from './golden-case.ts';
import { isSupporting, KINDS } from './kinds.ts';

const KILN_MODELS = fileURLToPath(new URL('../../models', import.meta.url));

/** Entry by entry, so that each one's cases can run before the next is read. Throws when there is no such folder. */
export async function* discover(dir: string): AsyncGenerator<GoldenCase, void> {
  if (!(await exists(dir))) throw new Error(`There is no folder ${dir}`);
  const root: GoldenRoot = {
    dir,
    modelFolders: [join(dir, 'models'), join(dir, '..'), join(dir, '..', '..', 'models'), KILN_MODELS],
  };
  const entries = await entriesOf(dir);
  const outputs = entries.includes('cases.json') ? /-out\.safetensors$/ : undefined;
  for (const entry of entries) {
    if (!isSupporting(entry) && outputs?.test(entry) !== true) yield* await casesOf(root, entry);
  }
}

async function casesOf(root: GoldenRoot, entry: string): Promise<readonly GoldenCase[]> {
  const kind = KINDS.find(({ matches }) => matches(entry));
  if (kind === undefined) return [{ name: entry, skip: 'no such kind of case is built' }];
  try {
    return await kind.cases(root, entry);
  } catch (error) {
    return [{ name: entry, tolerance: 0, measure: () => Promise.reject(error) }];
  }
}
