/**
 * Models from the folders on disk, looked up anew at each load: a repaired or added folder needs no restart. All of
 * them draw on one pool of components.
 */
import { ComponentPool } from '../onnx/component-pool.ts';
import { prepareModel, type LoadOptions, type PreparedModel } from '../onnx/load-model.ts';
import { findModels } from '../onnx/model-folder.ts';
import type { ModelSource } from './model-shelf.ts';

export class ModelFiles implements ModelSource {
  readonly #dirs: readonly string[];
  readonly #options: LoadOptions;
  readonly #pool: ComponentPool;

  constructor(dirs: readonly string[], options: LoadOptions) {
    this.#dirs = dirs;
    this.#options = { ...options, roots: dirs };
    this.#pool = new ComponentPool(options);
  }

  get claimedBytes(): number {
    return this.#pool.bytes;
  }

  get bytesToCome(): number {
    return this.#pool.bytesToCome;
  }

  /** Sessions open at the moment, of all models. */
  get sessions(): number {
    return this.#pool.sessions;
  }

  async prepare(name: string): Promise<PreparedModel> {
    const found = (await findModels(this.#dirs)).find((model) => model.name === name);
    if (found === undefined) throw new Error(`there is no model ${name} in ${this.#dirs.join(', ')}`);
    return prepareModel(found.path, this.#pool, this.#options);
  }
}
