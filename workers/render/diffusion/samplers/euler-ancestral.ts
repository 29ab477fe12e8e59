/**
 * Euler steps that go below the next noise level and add fresh noise to come back up to it: ancestral sampling in
 * terms of sigma, as in Crowson's k-diffusion.
 */
import type { NoiseScheduleConfig, PredictionType } from '../noise-schedule.ts';
import { predictionType } from '../prediction.ts';
import type { TorchRandom } from '../torch-random.ts';
import { cleanOfUnscaled, eulerLevels, unitVarianceScale } from './euler-levels.ts';
import type { NoiseLevel, Run } from './sampler.ts';
import { TimestepWalk } from './timestep-walk.ts';
import { weightedSum } from './weighted-sum.ts';

export class EulerAncestralSampler extends TimestepWalk {
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

  /** Draws on the last call too, whose noise has no weight: diffusers leaves the generator in that state. */
  step(call: number, latents: Float32Array, modelOutput: Float32Array, random: TorchRandom): Float32Array {
    const sigma = this.#sigmas[call]!;
    const { down, up } = ancestralLevels(sigma, this.#sigmas[call + 1]!);
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
