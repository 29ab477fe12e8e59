/** Euler steps of the probability-flow ODE in terms of sigma (Karras et al. 2022, algorithm 1 without churn). */
import type { NoiseScheduleConfig, PredictionType } from '../noise-schedule.ts';
import { predictionType } from '../prediction.ts';
import { cleanOfUnscaled, eulerLevels, unitVarianceScale, type EulerLevels } from './euler-levels.ts';
import type { Sampler } from './sampler.ts';
import { applyMix } from './weighted-sum.ts';

export class EulerSampler implements Sampler {
  readonly calls: number;
  readonly initNoiseSigma: number;
  readonly #type: PredictionType;
  readonly #levels: EulerLevels;

  constructor(config: NoiseScheduleConfig, steps: number) {
    this.#type = predictionType(config);
    this.#levels = eulerLevels(config, steps);
    this.calls = steps;
    this.initNoiseSigma = this.#levels.initNoiseSigma;
  }

  timestep(call: number): number {
    return this.#levels.timesteps[call]!;
  }

  inputScale(call: number): number {
    return unitVarianceScale(this.#levels.sigmas[call]!);
  }

  step(call: number, latents: Float32Array, modelOutput: Float32Array): Float32Array {
    const sigma = this.#levels.sigmas[call]!;
    const clean = cleanOfUnscaled(this.#type, sigma);
    const kept = this.#levels.sigmas[call + 1]! / sigma;
    return applyMix(
      { latents: kept + (1 - kept) * clean.latents, output: (1 - kept) * clean.output },
      latents,
      modelOutput,
    );
  }
}
