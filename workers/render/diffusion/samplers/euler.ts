/** Euler steps of the probability-flow ODE in terms of sigma (Karras et al. 2022, algorithm 1 without churn). */
import type { NoiseScheduleConfig, PredictionType } from '../noise-schedule.ts';
import { interpolate, modelSigmas } from '../sigmas.ts';
import { cleanSample, predictionType } from '../prediction.ts';
import { spacedTimesteps } from '../timesteps.ts';
import type { Sampler } from './sampler.ts';
import { applyMix } from './weighted-sum.ts';

const DEFAULT_SPACING = 'linspace';

export class EulerSampler implements Sampler {
  readonly calls: number;
  readonly initNoiseSigma: number;
  readonly #type: PredictionType;
  readonly #timesteps: readonly number[];
  /** `[N + 1]`; the last is 0. */
  readonly #sigmas: Float32Array;

  constructor(config: NoiseScheduleConfig, steps: number) {
    this.#type = predictionType(config);
    this.#timesteps = spacedTimesteps(config, steps, {
      family: 'continuous',
      defaultSpacing: DEFAULT_SPACING,
    });
    const table = modelSigmas(config);
    this.#sigmas = Float32Array.of(...this.#timesteps.map((timestep) => interpolate(table, timestep)), 0);
    this.calls = steps;
    // Leading schedules start below the last timestep: their noise must also stand for the signal left there.
    const highest = this.#sigmas[0]!;
    const isLeading = (config.timestepSpacing ?? DEFAULT_SPACING) === 'leading';
    this.initNoiseSigma = isLeading ? Math.sqrt(highest ** 2 + 1) : highest;
  }

  timestep(call: number): number {
    return this.#timesteps[call]!;
  }

  /** Latents hold signal + sigma * noise; the UNet was trained on unit variance. */
  inputScale(call: number): number {
    return 1 / Math.sqrt(this.#sigmas[call]! ** 2 + 1);
  }

  step(call: number, latents: Float32Array, modelOutput: Float32Array): Float32Array {
    const sigma = this.#sigmas[call]!;
    const alpha = this.inputScale(call);
    const clean = cleanSample(this.#type, alpha, sigma * alpha);
    const kept = this.#sigmas[call + 1]! / sigma;
    return applyMix(
      { latents: kept + (1 - kept) * clean.latents * alpha, output: (1 - kept) * clean.output },
      latents,
      modelOutput,
    );
  }
}
