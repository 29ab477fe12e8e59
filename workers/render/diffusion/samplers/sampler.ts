/**
 * The interface of a sampler: the rule by which one image's latents follow from the model's outputs.
 *
 * One instance serves one sample. Between calls it holds all that the rule remembers, so samples with different
 * samplers, at different steps, can share one UNet call.
 */
import type { TorchRandom } from '../torch-random.ts';

export interface SamplerOptions {
  readonly steps: number;
  /** 0 to 1: the share of the steps, the last ones, that a given image goes through; 1 unless given. */
  readonly strength?: number;
  /** 0 to 1: how much noise DDIM adds at every step; 0 unless given. */
  readonly eta?: number;
}

/** Latents at a noise level are `alpha` times the clean ones plus `sigma` times unit noise. */
export interface NoiseLevel {
  readonly alpha: number;
  readonly sigma: number;
}

/** What a rule remembers between two calls, by name: tensors of the latents' size. The arrays are never written to. */
export type SamplerMemory = ReadonlyMap<string, Float32Array>;

/** The options with their defaults filled in. */
export type Run = Required<SamplerOptions>;

export interface Sampler {
  /** UNet calls from noise to image; PNDM needs one more than it has steps. With a strength, those that it leaves. */
  readonly calls: number;
  /** The standard deviation that the first latents must have when they are pure noise. */
  readonly initNoiseSigma: number;
  /** The timestep the UNet is told at a call, counted from 0 among `calls`; may have a fraction. */
  timestep(call: number): number;
  /** The factor on the latents that the UNet sees; the latents themselves stay as they are. */
  inputScale(call: number): number;
  /**
   * Latents before the call and the model's output -> latents after it, in a new array. Calls come in order, each
   * once. The instance may keep `modelOutput`: the caller must not change it afterwards.
   * Only stochastic samplers draw from `random`.
   */
  step(call: number, latents: Float32Array, modelOutput: Float32Array, random: TorchRandom): Float32Array;
  /** Of the latents before a call. */
  level(call: number): NoiseLevel;
  /** Between two calls. Empty where nothing is remembered. */
  memory(): SamplerMemory;
  /**
   * Goes on where another instance of the same rule was, whose memory this is. What is missing is done without, as on
   * a first call. Before the first call of this instance.
   */
  recall(memory: SamplerMemory): void;
  /** Latents to start from when an image is given: its clean latents at the noise level of the first call. */
  noised(clean: Float32Array, noise: Float32Array): Float32Array;
  /**
   * What the clean latents are at the noise level that the next call starts from; after the last call they are
   * `clean` itself.
   */
  noisedAfter(call: number, clean: Float32Array, noise: Float32Array): Float32Array;
}
