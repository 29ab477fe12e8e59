/** Models from the folders on disk, looked up anew at each load: a repaired or added folder needs no restart. */
import type { LoadedModel } from '../diffusion/loaded-model.ts';
import { loadModel, type LoadOptions } from '../onnx/load-model.ts';
import { findModels, readModelFolder } from '../onnx/model-folder.ts';
import type { ModelSource } from './model-shelf.ts';

export class ModelFiles implements ModelSource {
  readonly #dirs: readonly string[];
  readonly #options: LoadOptions;

  constructor(dirs: readonly string[], options: LoadOptions) {
    this.#dirs = dirs;
    this.#options = options;
  }

  async open(name: string): Promise<LoadedModel> {
    return loadModel(await this.#folderOf(name), this.#options);
  }

  async bytesOf(name: string): Promise<number> {
    return (await readModelFolder(await this.#folderOf(name), this.#options)).memoryBytes;
  }

  async #folderOf(name: string): Promise<string> {
    const found = (await findModels(this.#dirs)).find((model) => model.name === name);
    if (found === undefined) throw new Error(`there is no model ${name} in ${this.#dirs.join(', ')}`);
    return found.path;
  }
}
