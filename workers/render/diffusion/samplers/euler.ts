/** Euler steps of the probability-flow ODE in terms of sigma (Karras et al. 2022, algorithm 1 without churn). */
import type { NoiseScheduleConfig, PredictionType } from '../noise-schedule.ts';
import { predictionType } from '../prediction.ts';
import { cleanOfUnscaled, eulerLevels, unitVarianceScale } from './euler-levels.ts';
import type { NoiseLevel, Run } from './sampler.ts';
import { TimestepWalk } from './timestep-walk.ts';
import { applyMix } from './weighted-sum.ts';

export class EulerSampler extends TimestepWalk {
  override readonly initNoiseSigma: number;
  readonly #type: PredictionType;
  /** `[calls + 1]`; the last is 0. */
  readonly #sigmas: Float32Array;

  constructor(config: NoiseScheduleConfig, run: Run) {
    const { timesteps, sigmas, initNoiseSigma } = eulerLevels(config, run);
    super(timesteps);
    this.#type = predictionType(config);
    this.#sigmas = sigmas;
    this.initNoiseSigma = initNoiseSigma;
  }

  override inputScale(call: number): number {
    return unitVarianceScale(this.#sigmas[call]!);
  }

  level(call: number): NoiseLevel {
    return { alpha: 1, sigma: this.#sigmas[call]! };
  }

  step(call: number, latents: Float32Array, modelOutput: Float32Array): Float32Array {
    const sigma = this.#sigmas[call]!;
    const clean = cleanOfUnscaled(this.#type, sigma);
    const kept = this.#sigmas[call + 1]! / sigma;
    return applyMix(
      { latents: kept + (1 - kept) * clean.latents, output: (1 - kept) * clean.output },
      latents,
      modelOutput,
    );
  }
}
