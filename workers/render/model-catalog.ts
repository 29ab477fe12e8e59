/**
 * The models on this worker's disk: those it offers to the farm, and those it refuses, with the reason. A folder is
 * read again at every scan, so a repaired or added one needs no restart.
 */
import type { Logger } from 'pino';
import type { OfferedModel } from '../../src/queue/farm-registry.ts';
import { messageOf } from './engine/failure-of.ts';
import { findModels, readModelFolder } from './onnx/model-folder.ts';

export interface CatalogOptions {
  /** Why a model of so many bytes cannot be held here; null when it can. */
  readonly refusalOf: (memoryBytes: number) => string | null;
  readonly log: Logger;
}

export class ModelCatalog {
  readonly #dirs: readonly string[];
  readonly #options: CatalogOptions;
  #offers: readonly OfferedModel[] = [];
  #refusals: ReadonlyMap<string, string> = new Map();

  constructor(dirs: readonly string[], options: CatalogOptions) {
    this.#dirs = dirs;
    this.#options = options;
  }

  /** As of the last scan. */
  get offers(): readonly OfferedModel[] {
    return this.#offers;
  }

  /** Name -> reason, as of the last scan. */
  get refusals(): ReadonlyMap<string, string> {
    return this.#refusals;
  }

  /** Reads the folders again: configs and the ends of the weight files, no whole file. */
  async scan(): Promise<void> {
    const offers: OfferedModel[] = [];
    const refusals = new Map<string, string>();
    for (const { name, path } of await findModels(this.#dirs)) {
      const found = await this.#read(name, path);
      if (typeof found === 'string') refusals.set(name, found);
      else offers.push(found);
    }
    for (const [name, reason] of refusals) {
      if (this.#refusals.get(name) !== reason)
        this.#options.log.error({ model: name, reason }, 'Model cannot be used');
    }
    this.#offers = offers;
    this.#refusals = refusals;
  }

  /** The offer, or why there is none. */
  async #read(name: string, path: string): Promise<OfferedModel | string> {
    try {
      const { kinds, digest, bytes, memoryBytes, defaultWidth, defaultHeight } = await readModelFolder(path, {
        roots: this.#dirs,
      });
      if (kinds.length === 0) return 'it can do no kind of job that Kiln knows';
      const offer = { name, kinds, digest, bytes, memoryBytes, defaultWidth, defaultHeight };
      return this.#options.refusalOf(memoryBytes) ?? offer;
    } catch (error) {
      return messageOf(error);
    }
  }
}
