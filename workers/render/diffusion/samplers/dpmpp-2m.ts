/** DPM-Solver++ 2M, the second-order multistep solver with midpoint corrections (Lu et al. 2022, algorithm 2). */
import type { NoiseScheduleConfig, PredictionType } from '../noise-schedule.ts';
import { cleanSample, predictionType } from '../prediction.ts';
import { logSnrLevels, type LogSnrLevel } from './log-snr-levels.ts';
import { present } from './memory.ts';
import type { NoiseLevel, Run, SamplerMemory } from './sampler.ts';
import { TimestepWalk } from './timestep-walk.ts';
import { applyMix, weightedSum } from './weighted-sum.ts';

export class Dpmpp2mSampler extends TimestepWalk {
  readonly #type: PredictionType;
  readonly #levels: readonly LogSnrLevel[];
  /** The clean sample predicted by the previous call. */
  #previousClean: Float32Array | null = null;

  /** `karras`: sigmas spaced as in Karras et al. 2022 instead of by timestep. */
  constructor(config: NoiseScheduleConfig, run: Run, karras: boolean) {
    const { timesteps, levels } = logSnrLevels(config, run, karras);
    super(timesteps);
    this.#type = predictionType(config);
    this.#levels = levels;
  }

  level(call: number): NoiseLevel {
    return this.#levels[call]!;
  }

  override memory(): SamplerMemory {
    return present({ clean: this.#previousClean });
  }

  override recall(memory: SamplerMemory): void {
    this.#previousClean = memory.get('clean') ?? null;
  }

  /** First order on the first call, which has no history, and on the last, whose interval is infinite. */
  step(call: number, latents: Float32Array, modelOutput: Float32Array): Float32Array {
    const levels = this.#levels;
    const from = levels[call]!;
    const to = levels[call + 1]!;
    const clean = applyMix(cleanSample(this.#type, from.alpha, from.sigma), latents, modelOutput);
    const before = this.#previousClean;
    this.#previousClean = clean;

    const interval = to.lambda - from.lambda;
    const kept = to.sigma / from.sigma;
    const gained = -to.alpha * Math.expm1(-interval);
    if (before === null || to.sigma === 0) return weightedSum([kept, latents], [gained, clean]);
    const ratio = (from.lambda - levels[call - 1]!.lambda) / interval;
    const slope = gained / (2 * ratio);
    return weightedSum([kept, latents], [gained + slope, clean], [-slope, before]);
  }
}
