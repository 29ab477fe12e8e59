/** What a kind of job is: how a sample of it starts, what the UNet sees besides its latents, and what follows. */
import type { DeepGreyImage, RawImage, Size } from '../../image/raw-image.ts';
import type { LoadedModel } from '../loaded-model.ts';
import type { Sampler } from '../samplers/sampler.ts';
import type { TorchRandom } from '../torch-random.ts';

/** What a preparation has at hand. All that it draws comes from `random`, and the order is part of the result. */
export interface Preparation<Request> {
  readonly model: LoadedModel;
  readonly request: Request;
  readonly latentSize: Size;
  readonly sampler: Sampler;
  readonly random: TorchRandom;
}

export interface Start {
  /** `[latentChannels, h, w]`, at the noise level of the sampler's first call. */
  readonly latents: Float32Array;
  /** `[C, h, w]`, the UNet's channels after the latents: the same at every call, and not scaled with the latents. */
  readonly extraChannels: Float32Array | null;
  /** For UNets with class embeddings. */
  readonly classLabel: number | null;
  /** From the latents that a call left to those that the next one takes. */
  readonly blend: ((call: number, latents: Float32Array) => Float32Array) | null;
  /** From the decoded picture to the image. */
  readonly finish: ((picture: RawImage) => RawImage) | null;
  /** What depth the UNet was shown, at the size of the image: near is white. */
  readonly depthMap: DeepGreyImage | null;
}

/** Of a start, what text to image does without. */
export const PLAIN = {
  extraChannels: null,
  classLabel: null,
  blend: null,
  finish: null,
  depthMap: null,
} as const satisfies Partial<Start>;

/** Unit noise of the shape of the latents. */
export function drawNoise({ model, latentSize, random }: Preparation<unknown>): Float32Array {
  return random.randn(model.latentChannels * latentSize.height * latentSize.width);
}

/** Latents that are nothing but noise, at the level the sampler starts from. */
export function pureNoise(noise: Float32Array, sampler: Sampler): Float32Array {
  return noise.map((value) => value * sampler.initNoiseSigma);
}
