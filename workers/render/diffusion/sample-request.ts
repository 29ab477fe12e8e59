/** What one image is made from: the parameters of a job for one of its seeds, with its pictures decoded. */
import type { SamplerName } from '../../../src/contract/samplers.ts';
import type { DepthValues, GreyImage, RawImage } from '../image/raw-image.ts';

interface CommonRequest {
  readonly prompt: string;
  readonly negativePrompt: string;
  /** Pixels that the latents stand for; multiples of the model's latent scale. Given pictures are resized to them. */
  readonly width: number;
  readonly height: number;
  readonly steps: number;
  /** Up to 1 there is no guidance: one row instead of two, and the negative prompt is not used. */
  readonly guidanceScale: number;
  /** 0 to 1; without guidance it changes nothing. */
  readonly guidanceRescale: number;
  /** How many of the text encoder's last layers to leave out. */
  readonly clipSkip: number;
  /** 0 to 1, and 0 with all samplers but DDIM: how much noise it adds on the way. */
  readonly eta: number;
  readonly seed: number;
  readonly sampler: SamplerName;
}

export interface TextToImageRequest extends CommonRequest {
  readonly kind: 'txt2img';
}

export interface ImageToImageRequest extends CommonRequest {
  readonly kind: 'img2img';
  readonly image: RawImage;
  /** 0 to 1: the share of the steps that are walked, from the image with as much noise. */
  readonly strength: number;
}

export interface DepthRequest extends CommonRequest {
  readonly kind: 'depth';
  readonly image: RawImage;
  readonly strength: number;
  /** Null: the model estimates it from the image. */
  readonly depthMap: DepthValues | null;
}

export interface InpaintRequest extends CommonRequest {
  readonly kind: 'inpaint';
  readonly image: RawImage;
  /** White is repainted. Resized to the image where the two must agree. */
  readonly mask: GreyImage;
  readonly strength: number;
  /** Puts the pixels outside the mask back over the result. */
  readonly overlay: boolean;
  /**
   * Pixels round the mask to work on, at `width` x `height`; the result is pasted back into the image, and has its
   * size. Null works on the whole image.
   */
  readonly cropPadding: number | null;
}

export interface UpscaleRequest extends CommonRequest {
  readonly kind: 'upscale';
  /** At low resolution; `width` and `height` are those of the result. */
  readonly image: RawImage;
  /** Noise added to the image: a timestep of the model's low-resolution schedule. */
  readonly noiseLevel: number;
}

export type SampleRequest =
  | TextToImageRequest
  | ImageToImageRequest
  | DepthRequest
  | InpaintRequest
  | UpscaleRequest;
