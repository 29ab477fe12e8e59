/**
 * The models in memory. They stay until another one needs the room; then the one unused for longest goes first.
 * A model that fails to load leaves nothing behind and harms no other.
 */
import type { LoadedModel } from '../diffusion/loaded-model.ts';

export interface ModelSource {
  /** Rejects with a reason that names the folder or file. */
  open(name: string): Promise<LoadedModel>;
  /** Bytes that the model takes in memory, about; rejects like `open` when there is no such model. */
  bytesOf(name: string): Promise<number>;
}

export class ModelShelf {
  readonly #source: ModelSource;
  readonly #freeBytes: () => Promise<number>;
  /** Least recently used first. */
  readonly #models = new Map<string, LoadedModel>();

  constructor(source: ModelSource, freeBytes: () => Promise<number>) {
    this.#source = source;
    this.#freeBytes = freeBytes;
  }

  get(name: string): LoadedModel | undefined {
    const model = this.#models.get(name);
    if (model === undefined) return undefined;
    this.#models.delete(name);
    this.#models.set(name, model);
    return model;
  }

  /** Loads a model that is not there yet; gives back the names of those that had to leave. */
  async load(name: string): Promise<{ model: LoadedModel; released: string[] }> {
    const released = await this.#makeRoom(await this.#source.bytesOf(name));
    const model = await this.#source.open(name);
    this.#models.set(name, model);
    return { model, released };
  }

  /** Releases every model but the one at work, for memory that a piece of work lacked; gives back their names. */
  async releaseIdle(atWork: string): Promise<string[]> {
    const idle = [...this.#models].filter(([name]) => name !== atWork);
    for (const [name, model] of idle) {
      this.#models.delete(name);
      await model.release();
    }
    return idle.map(([name]) => name);
  }

  async releaseAll(): Promise<void> {
    for (const [name, model] of this.#models) {
      this.#models.delete(name);
      await model.release();
    }
  }

  /** Memory is asked again after each release: files mapped by several models are freed with the last of them. */
  async #makeRoom(bytes: number): Promise<string[]> {
    const released: string[] = [];
    for (const [name, model] of this.#models) {
      if ((await this.#freeBytes()) >= bytes * ROOM_FOR_WORK) break;
      this.#models.delete(name);
      await model.release();
      released.push(name);
    }
    return released;
  }
}

/** A model's weights, and half of that again to compute with. */
const ROOM_FOR_WORK = 1.5;
