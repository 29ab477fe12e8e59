import type { FarmModel, FarmRegistry } from '../src/queue/farm-registry.ts';
import type { ModelOffer } from '../src/domain/job-params.ts';

const FRESH_MS = 1_000;

/** A model that jobs may name; `refusal` says why no worker can run it. */
type Offer = ModelOffer & { readonly refusal: string | null };

/**
 * The models of the farm as of at most a second ago: every submit asks, and they hardly ever change. A name that is
 * not among them is looked up anew, so a model can be asked for the moment it is offered.
 */
export class OfferCache {
  readonly #registry: Pick<FarmRegistry, 'models'>;
  readonly #now: () => number;
  #models: readonly Offer[] = [];
  #readAt = -Infinity;

  /** `now` in milliseconds of a monotonic clock. */
  constructor(registry: Pick<FarmRegistry, 'models'>, now: () => number) {
    this.#registry = registry;
    this.#now = now;
  }

  async modelsFor(name: string): Promise<readonly Offer[]> {
    const isFresh = this.#now() - this.#readAt < FRESH_MS;
    if (isFresh && this.#models.some((model) => model.name === name)) return this.#models;
    this.#models = (await this.#registry.models()).map(toOffer);
    this.#readAt = this.#now();
    return this.#models;
  }
}

function toOffer({ name, offer, refusal }: FarmModel): Offer {
  const { kinds, defaultWidth, defaultHeight } = offer ?? { kinds: [], defaultWidth: 0, defaultHeight: 0 };
  return { name, kinds, defaultWidth, defaultHeight, refusal };
}
