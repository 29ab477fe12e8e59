/** From pictures to latents, by way of the VAE: for an image it gives a distribution, of which one sample is drawn. */
import type { RawImage, Size } from '../../image/raw-image.ts';
import { resize } from '../../image/resize.ts';
import type { LoadedModel } from '../loaded-model.ts';
import { toPlanes } from '../rgb.ts';
import type { TorchRandom } from '../torch-random.ts';
import { Kept } from './kept.ts';

/** Bounds of the log variance (Rombach et al.'s code, and diffusers'). */
const LEAST_LOG_VARIANCE = -30;
const GREATEST_LOG_VARIANCE = 20;

const MOMENTS = new Kept<Float32Array>();

/** The moments `[2 * latentChannels, h, w]` of an image, resized to this size in pixels. */
export function imageMoments(model: LoadedModel, image: RawImage, size: Size): Promise<Float32Array> {
  const { width, height } = size;
  return MOMENTS.get([image], `${model.vaeDigest}:${width}x${height}`, () =>
    model.encode(toPlanes(resize(image, { width, height }, 'lanczos')), height, width),
  );
}

/** Draws once: latents `[latentChannels, h, w]`, scaled as the UNet knows them. */
export function sampleLatents(model: LoadedModel, moments: Float32Array, random: TorchRandom): Float32Array {
  const count = moments.length / 2;
  return random.randn(count).map((noise, i) => {
    const logVariance = Math.min(Math.max(moments[count + i]!, LEAST_LOG_VARIANCE), GREATEST_LOG_VARIANCE);
    return model.scalingFactor * (moments[i]! + Math.exp(0.5 * logVariance) * noise);
  });
}
