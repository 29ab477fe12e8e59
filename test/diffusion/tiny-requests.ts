/** A small request of each kind for the tiny models, and ways to render them. */
import { fileURLToPath } from 'node:url';
import {
  decodeSample,
  isDenoised,
  startSample,
  stepBatch,
  type Sample,
} from '../../workers/render/diffusion/denoise.ts';
import type { LoadedModel } from '../../workers/render/diffusion/loaded-model.ts';
import type {
  DepthRequest,
  ImageToImageRequest,
  InpaintRequest,
  SampleRequest,
  TextToImageRequest,
  UpscaleRequest,
} from '../../workers/render/diffusion/sample-request.ts';
import { TextCache } from '../../workers/render/diffusion/text-cache.ts';
import type { DepthValues, GreyImage, RawImage } from '../../workers/render/image/raw-image.ts';
import { loadModel } from '../../workers/render/onnx/load-model.ts';
import { Random } from '../support/random.ts';

const MODELS = new URL('../fixtures/golden-kinds/models/', import.meta.url);

export function load(name: string): Promise<LoadedModel> {
  return loadModel(fileURLToPath(new URL(name, MODELS)), { device: { kind: 'cpu' }, profile: 'lean' });
}

/** Every value follows from the seed. */
export function picture(width: number, height: number, seed = 1): RawImage {
  const random = new Random(seed);
  return { width, height, rgb: Uint8Array.from({ length: 3 * width * height }, () => random.int(0, 255)) };
}

/** Black, with a white box in the middle third. */
export function maskOf(width: number, height: number): GreyImage {
  const isInside = (at: number, side: number): boolean =>
    at >= Math.floor(side / 3) && at < Math.floor((2 * side) / 3);
  const grey = Uint8Array.from({ length: width * height }, (_, i) =>
    isInside(i % width, width) && isInside(Math.floor(i / width), height) ? 255 : 0,
  );
  return { width, height, grey };
}

export const texts = (): TextCache => new TextCache(2 ** 20);

export const TEXT: TextToImageRequest = {
  kind: 'txt2img',
  prompt: 'a red cube on a grey floor',
  negativePrompt: '',
  width: 40,
  height: 32,
  steps: 4,
  guidanceScale: 5,
  guidanceRescale: 0,
  clipSkip: 0,
  eta: 0,
  seed: 1,
  sampler: 'ddim',
};
export const IMAGE: ImageToImageRequest = {
  ...TEXT,
  kind: 'img2img',
  image: picture(45, 37),
  strength: 0.75,
};
export const DEPTH: DepthRequest = {
  ...TEXT,
  kind: 'depth',
  image: picture(45, 37),
  strength: 0.75,
  depthMap: null,
};
export const INPAINT: InpaintRequest = {
  ...TEXT,
  kind: 'inpaint',
  image: picture(60, 50),
  mask: maskOf(60, 50),
  strength: 0.75,
  overlay: false,
  cropPadding: null,
};
export const UPSCALE: UpscaleRequest = { ...TEXT, kind: 'upscale', image: picture(11, 9), noiseLevel: 20 };

export function slope(width: number, height: number): DepthValues {
  return {
    width,
    height,
    values: Float32Array.from({ length: width * height }, (_, i) => (i % width) / width),
  };
}

export async function finish(model: LoadedModel, sample: Sample): Promise<RawImage> {
  while (!isDenoised(sample)) await stepBatch(model, [sample]);
  const outcome = await decodeSample(model, sample);
  if (outcome.kind === 'failure') throw new Error(outcome.failure.message);
  return outcome.image;
}

export async function render(model: LoadedModel, request: SampleRequest): Promise<RawImage> {
  return finish(model, await startSample(model, request, texts()));
}
