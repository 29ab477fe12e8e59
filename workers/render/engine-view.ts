/** What the supervisor knows of its engine from what the engine says. */
import type { EngineEvent } from './engine/protocol.ts';

/** Share of the newest step in the running mean. */
const STEP_WEIGHT = 0.1;

/** Samples beyond a full batch that are already there when a place gets free: a quarter of it, at least one. */
const LOOK_AHEAD_SHARE = 0.25;

/** A load may take a fifth of the time between two loads; while lanes wait for their turn it would else take all. */
const WORK_PER_LOAD = 4;

export interface ModelView {
  readonly state: 'cold' | 'loading' | 'ready' | 'failed';
  /** Why it failed. */
  readonly reason: string | null;
}

export class EngineView {
  /** Names of the models in memory. */
  readonly loaded = new Set<string>();
  /** Every model the engine has had to do with. */
  readonly models = new Map<string, ModelView>();
  #lastLoad = { endedAt: -Infinity, ms: 0 };
  #slots: number;
  /** Running mean of ms a step of one sample, by lane: what a step costs in the company it has. */
  readonly speeds = new Map<string, number>();
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

  /** False until the engine has worked for some times as long as its last model load took. */
  canAffordLoad(now: number): boolean {
    return now - this.#lastLoad.endedAt >= WORK_PER_LOAD * this.#lastLoad.ms;
  }

  /** `now` in ms of a monotonic clock. */
  onEvent(event: EngineEvent, now: number): void {
    if (event.kind === 'stepped') {
      this.#slots = event.maxBatchSize;
      this.#stepMs = runningMean(this.#stepMs, event.ms);
      const { lane, samples } = event;
      this.speeds.set(lane, runningMean(this.speeds.get(lane), event.ms / Math.max(1, samples.length)));
    }
    if (event.kind === 'model') this.#onModel(event, now);
  }

  onExit(): void {
    this.loaded.clear();
    for (const [name, { state }] of this.models) if (state !== 'failed') this.models.delete(name);
  }

  #onModel(event: EngineEvent & { kind: 'model' }, now: number): void {
    const { name } = event;
    if (event.state === 'ready') {
      this.loaded.add(name);
      this.#lastLoad = { endedAt: now, ms: event.ms };
    } else this.loaded.delete(name);
    this.models.set(name, viewOf(event));
  }
}

function runningMean(before: number | null | undefined, newest: number): number {
  return newest * STEP_WEIGHT + (before ?? newest) * (1 - STEP_WEIGHT);
}

function viewOf(event: EngineEvent & { kind: 'model' }): ModelView {
  if (event.state === 'failed') return { state: 'failed', reason: event.error };
  return { state: event.state === 'released' ? 'cold' : event.state, reason: null };
}
