/**
 * Which models' jobs this worker takes: those it offers, and those that nobody can render any more.
 *
 * A job whose model has become unusable since it was accepted must end with that reason instead of waiting for ever.
 * But a worker that is only restarting may be the one that can: so a model counts as hopeless only after all workers
 * alive have refused it for a while.
 */
import type { FarmModel } from '../../src/queue/farm-registry.ts';

const MINUTE = 60_000;
/** Longer than a machine takes to come back. */
const HOPELESS_AFTER_MS = 10 * MINUTE;

export class ServedModels {
  readonly #offered: () => readonly { readonly name: string }[];
  /** Since when this worker has seen a model refused by all, in ms of a monotonic clock. */
  readonly #refusedSince = new Map<string, number>();

  constructor(offered: () => readonly { readonly name: string }[]) {
    this.#offered = offered;
  }

  /** What the farm says now; `now` in ms of a monotonic clock. */
  learn(models: readonly FarmModel[], now: number): void {
    const refused = new Set(models.filter(({ refusal }) => refusal !== null).map(({ name }) => name));
    for (const name of this.#refusedSince.keys()) if (!refused.has(name)) this.#refusedSince.delete(name);
    for (const name of refused) if (!this.#refusedSince.has(name)) this.#refusedSince.set(name, now);
  }

  isServed(name: string, now: number): boolean {
    if (this.#offered().some((model) => model.name === name)) return true;
    return now - (this.#refusedSince.get(name) ?? Infinity) >= HOPELESS_AFTER_MS;
  }
}
