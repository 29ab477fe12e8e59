/**
 * UniPC of order 2, "bh2", on predictions of the clean sample (Zhao et al. 2023): a multistep predictor, and a
 * corrector that uses the model's output at the predicted point to redo the interval that led there. The corrector
 * costs no UNet call, for the next prediction needs that output anyway.
 */
import type { NoiseScheduleConfig, PredictionType } from '../noise-schedule.ts';
import { cleanSample, predictionType } from '../prediction.ts';
import { logSnrLevels, type LogSnrLevel } from './log-snr-levels.ts';
import { present } from './memory.ts';
import type { NoiseLevel, Run, SamplerMemory } from './sampler.ts';
import { TimestepWalk } from './timestep-walk.ts';
import { applyMix, weightedSum } from './weighted-sum.ts';

const MAX_ORDER = 2;

/** What one call leaves for the next. */
interface Previous {
  /** The corrected latents that its prediction started from. */
  readonly latents: Float32Array;
  readonly clean: Float32Array;
  /** The clean sample of the call before that; null after the first. */
  readonly older: Float32Array | null;
}

export class UniPcSampler extends TimestepWalk {
  readonly #type: PredictionType;
  readonly #levels: readonly LogSnrLevel[];
  #previous: Previous | null = null;

  constructor(config: NoiseScheduleConfig, run: Run) {
    const { timesteps, levels } = logSnrLevels(config, run, false);
    super(timesteps);
    this.#type = predictionType(config);
    this.#levels = levels;
  }

  level(call: number): NoiseLevel {
    return this.#levels[call]!;
  }

  override memory(): SamplerMemory {
    return this.#previous === null ? new Map() : present({ ...this.#previous });
  }

  override recall(memory: SamplerMemory): void {
    const [latents, clean] = [memory.get('latents'), memory.get('clean')];
    const isWhole = latents !== undefined && clean !== undefined;
    this.#previous = isWhole ? { latents, clean, older: memory.get('older') ?? null } : null;
  }

  /** The clean sample is that of the latents the UNet saw, which are the uncorrected ones. */
  step(call: number, latents: Float32Array, modelOutput: Float32Array): Float32Array {
    const { alpha, sigma } = this.#levels[call]!;
    const clean = applyMix(cleanSample(this.#type, alpha, sigma), latents, modelOutput);
    const previous = this.#previous;
    const corrected = previous === null ? latents : this.#correct(call, previous, clean);
    this.#previous = { latents: corrected, clean, older: previous?.clean ?? null };
    return this.#predict(call, this.#previous);
  }

  /** From the level of `call` to the next (UniP). First order where history or a finite interval is missing. */
  #predict(call: number, { latents, clean, older }: Previous): Float32Array {
    const { kept, gained, interval } = this.#interval(call);
    if (older === null || this.#order(call) === 1) return weightedSum([kept, latents], [gained, clean]);
    const slope = gained / (2 * this.#ratio(call, interval));
    return weightedSum([kept, latents], [gained - slope, clean], [slope, older]);
  }

  /** The interval that ended at `call` once more, with the clean sample found at its end (UniC). */
  #correct(call: number, previous: Previous, clean: Float32Array): Float32Array {
    const { kept, gained, interval } = this.#interval(call - 1);
    const { latents, clean: before, older } = previous;
    if (older === null || this.#order(call - 1) === 1) {
      return weightedSum([kept, latents], [gained / 2, before], [gained / 2, clean]);
    }
    const ratio = this.#ratio(call - 1, interval);
    const weights = correctorWeights(interval, ratio);
    const past = (gained * weights.past) / ratio;
    const end = gained * weights.end;
    return weightedSum([kept, latents], [gained - past - end, before], [past, older], [end, clean]);
  }

  #interval(call: number): { kept: number; gained: number; interval: number } {
    const from = this.#levels[call]!;
    const to = this.#levels[call + 1]!;
    const interval = to.lambda - from.lambda;
    return { kept: to.sigma / from.sigma, gained: -to.alpha * Math.expm1(-interval), interval };
  }

  /** Where the call before `call` stands, in intervals from it: negative, for it lies in the past. */
  #ratio(call: number, interval: number): number {
    return (this.#levels[call - 1]!.lambda - this.#levels[call]!.lambda) / interval;
  }

  /** Low at the start, for lack of history, and at the end, where the interval is infinite. */
  #order(call: number): number {
    return Math.min(MAX_ORDER, call + 1, this.calls - call);
  }
}

/** The two weights that match the solution to second order (UniC of order 2 with B(h) = e^h - 1, h = -interval). */
function correctorWeights(interval: number, ratio: number): { past: number; end: number } {
  const phi = Math.expm1(-interval);
  const first = phi / -interval - 1;
  const second = 2 * (first / -interval - 1 / 2);
  const past = (first - second) / phi / (1 - ratio);
  return { past, end: first / phi - past };
}
