/** The models on this worker's disk, as the farm is told of them. A folder that cannot be used is left out, loudly. */
import type { Logger } from 'pino';
import type { OfferedModel } from '../../src/queue/farm-registry.ts';
import { messageOf } from './engine/failure-of.ts';
import { findModels, readModelFolder } from './onnx/model-folder.ts';

export class ModelCatalog {
  readonly #dirs: readonly string[];
  readonly #log: Logger;
  readonly #names = new Set<string>();
  /** What was last said of each bad folder: a folder that stays bad is reported once. */
  readonly #reported = new Map<string, string>();

  constructor(dirs: readonly string[], log: Logger) {
    this.#dirs = dirs;
    this.#log = log;
  }

  /** Names of the models as of the last scan; the same set after every scan. */
  get names(): ReadonlySet<string> {
    return this.#names;
  }

  /** Reads the folders again: configs and the ends of the weight files, no whole file. */
  async scan(): Promise<OfferedModel[]> {
    const offers: OfferedModel[] = [];
    for (const { name, path } of await findModels(this.#dirs)) {
      const offer = await this.#read(name, path);
      if (offer !== undefined) offers.push(offer);
    }
    this.#names.clear();
    for (const { name } of offers) this.#names.add(name);
    return offers;
  }

  async #read(name: string, path: string): Promise<OfferedModel | undefined> {
    try {
      const { kinds, digest, bytes, defaultWidth, defaultHeight } = await readModelFolder(path);
      this.#reported.delete(path);
      return kinds.length === 0 ? undefined : { name, kinds, digest, bytes, defaultWidth, defaultHeight };
    } catch (error) {
      const reason = messageOf(error);
      if (this.#reported.get(path) !== reason)
        this.#log.error({ model: name, path, err: error }, 'Model cannot be used');
      this.#reported.set(path, reason);
      return undefined;
    }
  }
}
