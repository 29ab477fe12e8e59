/** Looks, before anything is loaded, whether the models that are to stay in memory can. */
import type { Config } from '../../src/config.ts';
import { refusalOf } from '../../src/domain/residency.ts';
import { findModels, listComponents, readModelFolder } from './onnx/model-folder.ts';

/** @throws Error when KILN_PINNED_MODELS names a model that is not there, or together they exceed the budget in bytes */
export async function checkPinnedModels(
  { modelDirs, pinnedModels }: Pick<Config, 'modelDirs' | 'pinnedModels'>,
  budget: number,
): Promise<void> {
  const found = new Map((await findModels(modelDirs)).map(({ name, path }) => [name, path]));
  const bytes = new Map<string, number>();
  for (const name of pinnedModels) {
    const path = found.get(name);
    if (path === undefined)
      throw new Error(`KILN_PINNED_MODELS names ${name}: there is no such model in ${modelDirs.join(', ')}`);
    const folder = await readModelFolder(path, { roots: modelDirs }).catch(() => undefined);
    // One that cannot be read is no fault of the setting: the farm is told of it like of any other.
    if (folder === undefined) continue;
    // What models share is held once.
    for (const { digest, memoryBytes } of listComponents(folder.components)) bytes.set(digest, memoryBytes);
  }
  const refusal = refusalOf(
    [...bytes.values()].reduce((sum, size) => sum + size, 0),
    budget,
  );
  if (refusal !== null)
    throw new Error(`KILN_PINNED_MODELS is ${pinnedModels.join(', ')}: together, ${refusal}`);
}
