import type { FarmRegistry, OfferedModel } from '../src/queue/farm-registry.ts';

const FRESH_MS = 1_000;

/**
 * The offered models as of at most a second ago: every submit asks, and they hardly ever change. A name that is not
 * among them is looked up anew, so a model can be asked for the moment it is offered.
 */
export class OfferCache {
  readonly #registry: Pick<FarmRegistry, 'models'>;
  readonly #now: () => number;
  #models: readonly OfferedModel[] = [];
  #readAt = -Infinity;

  /** `now` in milliseconds of a monotonic clock. */
  constructor(registry: Pick<FarmRegistry, 'models'>, now: () => number) {
    this.#registry = registry;
    this.#now = now;
  }

  async modelsFor(name: string): Promise<readonly OfferedModel[]> {
    const isFresh = this.#now() - this.#readAt < FRESH_MS;
    if (isFresh && this.#models.some((model) => model.name === name)) return this.#models;
    this.#models = await this.#registry.models();
    this.#readAt = this.#now();
    return this.#models;
  }
}
