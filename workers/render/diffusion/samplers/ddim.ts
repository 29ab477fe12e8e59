/** DDIM without added noise (Song et al. 2021, equation 12 with eta = 0). Remembers nothing between calls. */
import type { NoiseScheduleConfig } from '../noise-schedule.ts';
import { signalTable, trainTimesteps } from '../noise-tables.ts';
import { cleanSample, noise, predictionType } from '../prediction.ts';
import { spacedTimesteps } from '../timesteps.ts';
import { clipClean } from './clip-clean.ts';
import type { Sampler } from './sampler.ts';
import { applyMix, weightedSum } from './weighted-sum.ts';

const DEFAULTS = {
  timestepSpacing: 'leading',
  setAlphaToOne: true,
  clipSample: true,
} as const;

export class DdimSampler implements Sampler {
  readonly calls: number;
  readonly initNoiseSigma = 1;
  readonly #config: NoiseScheduleConfig;
  readonly #timesteps: readonly number[];
  readonly #alphas: Float32Array;
  /** Each call goes down by this much, whatever the spacing of the timesteps. */
  readonly #stride: number;
  /** The share of signal that the last call ends at. */
  readonly #finalAlpha: number;

  constructor(config: NoiseScheduleConfig, steps: number) {
    this.#config = config;
    this.#alphas = signalTable(config);
    this.#timesteps = spacedTimesteps(config, steps, {
      family: 'discrete',
      defaultSpacing: DEFAULTS.timestepSpacing,
    });
    this.#stride = Math.trunc(trainTimesteps(config) / steps);
    this.#finalAlpha = (config.setAlphaToOne ?? DEFAULTS.setAlphaToOne) ? 1 : this.#alphas[0]!;
    this.calls = steps;
  }

  timestep(call: number): number {
    return this.#timesteps[call]!;
  }

  inputScale(): number {
    return 1;
  }

  step(call: number, latents: Float32Array, modelOutput: Float32Array): Float32Array {
    const type = predictionType(this.#config);
    const timestep = this.timestep(call);
    const signal = this.#alphas[timestep]!;
    const previous = this.#alphas[timestep - this.#stride] ?? this.#finalAlpha;
    const clean = applyMix(cleanSample(type, Math.sqrt(signal), Math.sqrt(1 - signal)), latents, modelOutput);
    const clipped = clipClean(this.#config, clean, DEFAULTS.clipSample);
    const noisy = applyMix(noise(type, Math.sqrt(signal), Math.sqrt(1 - signal)), latents, modelOutput);
    return weightedSum([Math.sqrt(previous), clipped], [Math.sqrt(1 - previous), noisy]);
  }
}
