/** What all samplers share: a list of timesteps to walk down, each with a noise level that clean latents can take. */
import type { TorchRandom } from '../torch-random.ts';
import type { NoiseLevel, Sampler, SamplerMemory } from './sampler.ts';
import { weightedSum } from './weighted-sum.ts';

export abstract class TimestepWalk implements Sampler {
  readonly calls: number;
  readonly initNoiseSigma: number = 1;
  /** `[calls]`. */
  protected readonly timesteps: readonly number[];

  constructor(timesteps: readonly number[]) {
    this.timesteps = timesteps;
    this.calls = timesteps.length;
  }

  abstract step(
    call: number,
    latents: Float32Array,
    modelOutput: Float32Array,
    random: TorchRandom,
  ): Float32Array;

  abstract level(call: number): NoiseLevel;

  timestep(call: number): number {
    return this.timesteps[call]!;
  }

  /** Latents of unit variance are what the UNet was trained on. */
  inputScale(_call: number): number {
    return 1;
  }

  /** One-step rules remember nothing; those that do override both. */
  memory(): SamplerMemory {
    return new Map();
  }

  recall(_memory: SamplerMemory): void {}

  noised(clean: Float32Array, noise: Float32Array): Float32Array {
    return atLevel(this.level(0), clean, noise);
  }

  noisedAfter(call: number, clean: Float32Array, noise: Float32Array): Float32Array {
    return call + 1 < this.calls ? atLevel(this.level(call + 1), clean, noise) : clean;
  }
}

/** The level at which the signal has this share of the variance. */
export function levelOfSignal(signal: number): NoiseLevel {
  return { alpha: Math.sqrt(signal), sigma: Math.sqrt(1 - signal) };
}

function atLevel({ alpha, sigma }: NoiseLevel, clean: Float32Array, noise: Float32Array): Float32Array {
  return weightedSum([alpha, clean], [sigma, noise]);
}
