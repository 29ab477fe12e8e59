import type { ModelOffer } from '../src/domain/model-choice.ts';
import type { FarmModel, FarmRegistry } from '../src/queue/farm-registry.ts';

const FRESH_MS = 1_000;

/**
 * The models of the farm as of at most a second ago: every submit asks, and they hardly ever change. When those known
 * do not suffice they are looked up anew, so a model can be asked for the moment it is offered.
 */
export class OfferCache {
  readonly #registry: Pick<FarmRegistry, 'models'>;
  readonly #now: () => number;
  #models: readonly ModelOffer[] = [];
  #readAt = -Infinity;

  /** `now` in milliseconds of a monotonic clock. */
  constructor(registry: Pick<FarmRegistry, 'models'>, now: () => number) {
    this.#registry = registry;
    this.#now = now;
  }

  async models(suffice: (models: readonly ModelOffer[]) => boolean): Promise<readonly ModelOffer[]> {
    const isFresh = this.#now() - this.#readAt < FRESH_MS;
    if (isFresh && suffice(this.#models)) return this.#models;
    this.#models = (await this.#registry.models()).map(toOffer);
    this.#readAt = this.#now();
    return this.#models;
  }
}

/** A model whose folder no worker could read can do nothing, but it can be named. */
function toOffer({ name, offer, refusal }: FarmModel): ModelOffer {
  const { kinds, defaultWidth, defaultHeight } = offer ?? { kinds: [], defaultWidth: 0, defaultHeight: 0 };
  return { name, kinds, defaultWidth, defaultHeight, refusal };
}
