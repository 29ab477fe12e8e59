/**
 * What the denoising loop needs of a model. The ONNX side (`../onnx`) makes one from a published folder; the
 * loop never sees a session, a graph or a file. All tensors are row-major float32, NCHW.
 */
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
}

export interface LoadedModel {
  readonly name: string;
  /** Digest of the text encoder's files: text rows are cached under it. */
  readonly textEncoderDigest: string;
  readonly textEncoderLayers: number;
  readonly inChannels: number;
  readonly latentChannels: number;
  /** Pixels per latent cell and side: 8 for the f8 VAE. */
  readonly latentScale: number;
  readonly crossAttentionDim: number;
  /** Channels of the UNet's first block, the widest maps a step holds: max_batch_size is derived from it. */
  readonly baseChannels: number;
  readonly noiseSchedule: NoiseScheduleConfig;
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
  release(): Promise<void>;
}
