/**
 * The interface of a sampler: the rule by which one image's latents follow from the model's outputs.
 *
 * One instance serves one sample. Between calls it holds all that the rule remembers, so samples with different
 * samplers, at different steps, can share one UNet call.
 */
import type { TorchRandom } from '../torch-random.ts';

export interface Sampler {
  /** UNet calls from noise to image; PNDM needs one more than it has steps. */
  readonly calls: number;
  /** The standard deviation that the first latents must have. */
  readonly initNoiseSigma: number;
  /** The timestep the UNet is told at a call, 0-based; may have a fraction. */
  timestep(call: number): number;
  /** The factor on the latents that the UNet sees; the latents themselves stay as they are. */
  inputScale(call: number): number;
  /**
   * Latents before the call and the model's output -> latents after it, in a new array. Calls come in order, each
   * once. The instance may keep `modelOutput`: the caller must not change it afterwards.
   * Only stochastic samplers draw from `random`.
   */
  step(call: number, latents: Float32Array, modelOutput: Float32Array, random: TorchRandom): Float32Array;
}
