/**
 * SDE-DPM-Solver++ 2M: the multistep solver for the reverse-time SDE instead of the ODE, with midpoint corrections
 * (Lu et al. 2022, there called SDE-DPM-Solver++(2M)). With the clean sample held still it is exact: latents keep the
 * variance of their noise level.
 */
import type { NoiseScheduleConfig, PredictionType } from '../noise-schedule.ts';
import { cleanSample, predictionType } from '../prediction.ts';
import type { TorchRandom } from '../torch-random.ts';
import { logSnrLevels, type LogSnrLevel } from './log-snr-levels.ts';
import { present } from './memory.ts';
import type { NoiseLevel, Run, SamplerMemory } from './sampler.ts';
import { TimestepWalk } from './timestep-walk.ts';
import { applyMix, weightedSum, type Term } from './weighted-sum.ts';

export class Dpmpp2mSdeSampler extends TimestepWalk {
  readonly #type: PredictionType;
  readonly #levels: readonly LogSnrLevel[];
  /** The clean sample predicted by the previous call. */
  #previousClean: Float32Array | null = null;

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
    return present({ clean: this.#previousClean });
  }

  override recall(memory: SamplerMemory): void {
    this.#previousClean = memory.get('clean') ?? null;
  }

  /**
   * First order on the first call, which has no history, and on the last, whose interval is infinite. Draws on every
   * call, the last included, whose noise has no weight.
   */
  step(call: number, latents: Float32Array, modelOutput: Float32Array, random: TorchRandom): Float32Array {
    const levels = this.#levels;
    const from = levels[call]!;
    const to = levels[call + 1]!;
    const clean = applyMix(cleanSample(this.#type, from.alpha, from.sigma), latents, modelOutput);
    const before = this.#previousClean;
    this.#previousClean = clean;

    const interval = to.lambda - from.lambda;
    const renewed = -Math.expm1(-2 * interval);
    const kept: Term = [(to.sigma / from.sigma) * Math.exp(-interval), latents];
    const gained = to.alpha * renewed;
    const fresh: Term = [to.sigma * Math.sqrt(renewed), random.randn(latents.length)];
    if (before === null || to.sigma === 0) return weightedSum(kept, [gained, clean], fresh);
    const ratio = (from.lambda - levels[call - 1]!.lambda) / interval;
    const slope = gained / (2 * ratio);
    return weightedSum(kept, [gained + slope, clean], [-slope, before], fresh);
  }
}
