/** Depth to image: image to image, with the UNet shown how far each part of the image is. */
import { depthPicture, resizeDepth } from '../../image/depth-picture.ts';
import type { DepthValues, Size } from '../../image/raw-image.ts';
import { resize } from '../../image/resize.ts';
import type { LoadedModel } from '../loaded-model.ts';
import { toNormalizedPlanes } from '../rgb.ts';
import type { DepthRequest } from '../sample-request.ts';
import { noisedImage } from './image-to-image.ts';
import { Kept } from './kept.ts';
import { PLAIN, type Preparation, type Start } from './preparation.ts';

const ESTIMATES = new Kept<Float32Array>();

/** Draws what image to image does. */
export async function prepareDepth(preparation: Preparation<DepthRequest>): Promise<Start> {
  const { model, request, latentSize } = preparation;
  const depth = request.depthMap ?? (await estimateDepth(model, request));
  return {
    ...PLAIN,
    latents: await noisedImage(preparation),
    extraChannels: depthChannel(depth, latentSize),
    depthMap: depthPicture(depth, { width: request.width, height: request.height }),
  };
}

/** From the image as it was given, squashed to the size that the estimator takes. */
async function estimateDepth(model: LoadedModel, { image }: DepthRequest): Promise<DepthValues> {
  const estimator = model.depth;
  if (estimator === null) {
    throw new RangeError(`depth_map is missing, but must be given: ${model.name} has no depth estimator`);
  }
  const { width, height, filter, mean, std } = estimator;
  const values = await ESTIMATES.get([image, estimator], '', () =>
    estimator.estimate(toNormalizedPlanes(resize(image, { width, height }, filter), mean, std)),
  );
  return { width, height, values };
}

/**
 * `[1, h, w]` in -1..1, from the farthest to the nearest: straight from the map to the size of the latents, then to
 * the full range. A map without any depth gives 0 throughout; diffusers divides 0 by 0 there and renders nothing.
 */
function depthChannel(depth: DepthValues, latentSize: Size): Float32Array {
  const { values } = resizeDepth(depth, latentSize);
  const farthest = values.reduce((least, value) => Math.min(least, value), Infinity);
  const nearest = values.reduce((most, value) => Math.max(most, value), -Infinity);
  if (farthest === nearest) return values.fill(0);
  return values.map((value) => (2 * (value - farthest)) / (nearest - farthest) - 1);
}
