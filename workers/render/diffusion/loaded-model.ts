/**
 * What the denoising loop needs of a model. The ONNX side (`../onnx`) makes one from a published folder; the
 * loop never sees a session, a graph or a file. All tensors are row-major float32, NCHW.
 */
import type { JobKind } from '../../../src/domain/job.ts';
import type { ResizeFilter } from '../image/resample-weights.ts';
import type { NoiseScheduleConfig } from './noise-schedule.ts';

/** One UNet call. `rows` may mix samples, timesteps and prompts; all share one latent size. */
export interface UnetInput {
  /** Number of rows B. */
  readonly rows: number;
  /** Latent height and width, h = height / latentScale. */
  readonly height: number;
  readonly width: number;
  /** `[B, inChannels, h, w]`, already scaled by the sampler. */
  readonly sample: Float32Array;
  /** `[B]`, may be fractional. */
  readonly timesteps: Float32Array;
  /** `[B, 77, crossAttentionDim]`. */
  readonly hiddenStates: Float32Array;
  /** `[B]`, the noise level of the low-resolution image; for UNets with class embeddings, null for all others. */
  readonly classLabels: Int32Array | null;
}

/** Monocular depth from an RGB image, resized and normalised as its processor's file says. */
export interface DepthEstimator {
  /** Size of its input in pixels, as its processor states it. The image is squashed to it. */
  readonly width: number;
  readonly height: number;
  readonly filter: ResizeFilter;
  /** Per colour, of values in 0..1: what is fed is (value - mean) / std. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** pixels `[3, height, width]`, normalised -> inverse depth `[height, width]`, 0 or more, near is large. */
  estimate(pixels: Float32Array): Promise<Float32Array>;
}

export interface LoadedModel {
  readonly name: string;
  /** Kinds of job it can do, at least one. */
  readonly kinds: readonly JobKind[];
  /** Digest of the text encoder's files: text rows are cached under it. */
  readonly textEncoderDigest: string;
  readonly textEncoderLayers: number;
  /** Digest of the VAE's files: what is encoded from an image alone may be kept under it. */
  readonly vaeDigest: string;
  readonly inChannels: number;
  readonly latentChannels: number;
  /** Pixels per latent cell and side: 8 for the f8 VAE. */
  readonly latentScale: number;
  /** Latents as the sampler knows them are this times what the VAE knows. `decode` applies it, `encode` does not. */
  readonly scalingFactor: number;
  readonly crossAttentionDim: number;
  /** That a row of the UNet holds at the fullest moment of a call: max_batch_size is derived from it. */
  readonly peakChannels: number;
  readonly noiseSchedule: NoiseScheduleConfig;
  /** Of models that do depth: what estimates it. */
  readonly depth: DepthEstimator | null;
  /** Of upscalers: how noise is added to the low-resolution image, and the highest level it was trained on. */
  readonly lowResSchedule: NoiseScheduleConfig | null;
  readonly maxNoiseLevel: number | null;
  /** Token ids, always 77 of them. */
  tokenize(text: string): Int32Array;
  /**
   * ids `[77]` -> hidden state `[77, crossAttentionDim]` after all layers but the last `clipSkip`, normed.
   * `clipSkip`: 0 to `textEncoderLayers` - 1.
   */
  encodeText(ids: Int32Array, clipSkip: number): Promise<Float32Array>;
  /** -> model output `[B, 4, h, w]`. */
  predictNoise(input: UnetInput): Promise<Float32Array>;
  /** Latents `[4, h, w]` as the sampler left them (scaled) -> RGB in about -1..1, `[3, H, W]`. */
  decode(latents: Float32Array, height: number, width: number): Promise<Float32Array>;
  /**
   * Pixels `[3, H, W]` in -1..1, H and W multiples of `latentScale` -> moments `[2 * latentChannels, h, w]`: mean,
   * then log variance, both unscaled. `height` and `width` are those of the pixels.
   */
  encode(pixels: Float32Array, height: number, width: number): Promise<Float32Array>;
  release(): Promise<void>;
}
