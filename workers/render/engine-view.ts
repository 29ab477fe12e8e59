/** What the supervisor knows of its engine from what the engine says. */
import type { EngineEvent } from './engine/protocol.ts';

/** Share of the newest step in the running mean. */
const STEP_WEIGHT = 0.1;

/** Samples beyond a full batch that are already there when a place gets free: a quarter of it, at least one. */
const LOOK_AHEAD_SHARE = 0.25;

export class EngineView {
  readonly loaded = new Set<string>();
  #slots: number;
  #stepMs: number | null = null;

  /** `slots`: the most samples in one batch, until the engine tells. */
  constructor(slots: number) {
    this.#slots = slots;
  }

  /** max_batch_size of the lane that ran last. */
  get slots(): number {
    return this.#slots;
  }

  /** Running mean of a UNet call; null before the first. */
  get stepMs(): number | null {
    return this.#stepMs;
  }

  /** Samples that the engine should hold. */
  get capacity(): number {
    return this.#slots + Math.max(1, Math.floor(this.#slots * LOOK_AHEAD_SHARE));
  }

  onEvent(event: EngineEvent): void {
    if (event.kind === 'stepped') {
      this.#slots = event.maxBatchSize;
      this.#stepMs = event.ms * STEP_WEIGHT + (this.#stepMs ?? event.ms) * (1 - STEP_WEIGHT);
    }
    if (event.kind === 'model') {
      if (event.state === 'ready') this.loaded.add(event.name);
      else this.loaded.delete(event.name);
    }
  }

  onExit(): void {
    this.loaded.clear();
  }
}
