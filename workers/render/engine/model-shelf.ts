/**
 * The models in memory. They stay until another one needs the room; then the one unused for longest goes first. Pinned
 * ones never go. A model that fails to load leaves nothing behind and harms no other.
 */
import {
  fits,
  refusalOf,
  roomForWork,
  type MemoryBudget,
  type MemoryUse,
} from '../../../src/domain/residency.ts';
import type { LoadedModel } from '../diffusion/loaded-model.ts';
import { ModelError } from '../onnx/errors.ts';
import type { PreparedModel } from '../onnx/load-model.ts';

export interface ModelSource {
  /** Speaks for the parts of a model. Rejects with a reason that names the folder or file. */
  prepare(name: string): Promise<PreparedModel>;
  /** Of all models that are prepared or open, what they share counted once. */
  readonly claimedBytes: number;
  /** What loading the rest of these takes at its height. */
  readonly bytesToCome: number;
}

export interface ShelfOptions {
  readonly source: ModelSource;
  readonly budget: MemoryBudget;
  /** Names of models that are never released. */
  readonly pinned?: readonly string[];
  /** Of the device, now. */
  readonly freeBytes: () => Promise<number>;
  /** Of this process, now. */
  readonly privateBytes: () => number;
}

/** Called for each model that has left, once its memory is free. */
export type OnReleased = (name: string) => Promise<void>;

export class ModelShelf {
  readonly #options: ShelfOptions;
  /** Least recently used first. */
  readonly #models = new Map<string, LoadedModel>();
  #loads = 0;
  #releases = 0;

  constructor(options: ShelfOptions) {
    this.#options = options;
  }

  get pinned(): readonly string[] {
    return this.#options.pinned ?? [];
  }

  /** Models loaded and released since the start. */
  get counts(): { readonly loads: number; readonly releases: number } {
    return { loads: this.#loads, releases: this.#releases };
  }

  get(name: string): LoadedModel | undefined {
    const model = this.#models.get(name);
    if (model === undefined) return undefined;
    this.#models.delete(name);
    this.#models.set(name, model);
    return model;
  }

  /**
   * Loads a model that is not there yet, after others have left where it would not fit beside them.
   * @throws ModelError, also when it is larger than the budget leaves beside pinned models
   */
  async load(name: string, onReleased: OnReleased): Promise<{ model: LoadedModel; bytes: number }> {
    const { source, budget } = this.#options;
    const prepared = await source.prepare(name);
    try {
      // Before others leave for it in vain.
      const refusal = refusalOf(prepared.memoryBytes, budget.total);
      if (refusal !== null) throw new ModelError(`${name} cannot be held: ${refusal}`);
      await this.#makeRoom(prepared, onReleased);
      if (source.claimedBytes > budget.total)
        throw new ModelError(
          `${name} cannot be held beside pinned models (${this.#pinnedHere().join(', ')}): ` +
            `together, ${refusalOf(source.claimedBytes, budget.total)}`,
        );
      const model = await prepared.open();
      this.#models.set(name, model);
      this.#loads++;
      return { model, bytes: prepared.memoryBytes };
    } catch (error) {
      await prepared.release();
      throw error;
    }
  }

  /** Bytes that the budget and the device leave for work. */
  async freeBytes(): Promise<number> {
    return roomForWork(await this.#use(0), this.#options.budget);
  }

  /** Releases every model but pinned ones and the one at work, for memory that a piece of work lacked. */
  async releaseIdle(atWork: string): Promise<string[]> {
    const idle = [...this.#models.keys()].filter((name) => name !== atWork && !this.pinned.includes(name));
    for (const name of idle) await this.#release(name);
    return idle;
  }

  async releaseAll(): Promise<void> {
    for (const name of this.#models.keys()) await this.#release(name);
  }

  /** Memory is asked again after each release: what models share is freed with the last of them. */
  async #makeRoom({ workBytes }: PreparedModel, onReleased: OnReleased): Promise<void> {
    for (const name of this.#models.keys()) {
      if (this.pinned.includes(name)) continue;
      if (fits(await this.#use(workBytes), this.#options.budget)) return;
      await this.#release(name);
      await onReleased(name);
    }
  }

  async #use(workBytes: number): Promise<MemoryUse> {
    const { source, freeBytes, privateBytes } = this.#options;
    return {
      claimedBytes: source.claimedBytes,
      bytesToCome: source.bytesToCome,
      workBytes,
      privateBytes: privateBytes(),
      freeBytes: await freeBytes(),
    };
  }

  async #release(name: string): Promise<void> {
    const model = this.#models.get(name);
    this.#models.delete(name);
    await model?.release();
    this.#releases++;
  }

  #pinnedHere(): string[] {
    return this.pinned.filter((name) => this.#models.has(name));
  }
}
