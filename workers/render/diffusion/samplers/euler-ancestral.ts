/**
 * Euler steps that go below the next noise level and add fresh noise to come back up to it: ancestral sampling in
 * terms of sigma, as in Crowson's k-diffusion.
 */
import type { NoiseScheduleConfig, PredictionType } from '../noise-schedule.ts';
import { predictionType } from '../prediction.ts';
import type { TorchRandom } from '../torch-random.ts';
import { cleanOfUnscaled, eulerLevels, unitVarianceScale, type EulerLevels } from './euler-levels.ts';
import type { Sampler } from './sampler.ts';
import { weightedSum } from './weighted-sum.ts';

export class EulerAncestralSampler implements Sampler {
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

  /** Draws on the last call too, whose noise has no weight: diffusers leaves the generator in that state. */
  step(call: number, latents: Float32Array, modelOutput: Float32Array, random: TorchRandom): Float32Array {
    const sigma = this.#levels.sigmas[call]!;
    const { down, up } = ancestralLevels(sigma, this.#levels.sigmas[call + 1]!);
    const clean = cleanOfUnscaled(this.#type, sigma);
    const kept = down / sigma;
    return weightedSum(
      [kept + (1 - kept) * clean.latents, latents],
      [(1 - kept) * clean.output, modelOutput],
      [up, random.randn(latents.length)],
    );
  }
}

/** How far down to step and how much noise to add: down^2 + up^2 = to^2, with the variance of the posterior. */
function ancestralLevels(from: number, to: number): { down: number; up: number } {
  const up = (to / from) * Math.sqrt(from ** 2 - to ** 2);
  return { down: to ** 2 / from, up };
}
