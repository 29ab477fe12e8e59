/** Image to image (SDEdit, Meng et al. 2022): part of the way back to noise, and the walk down from there. */
import type { ImageToImageRequest } from '../sample-request.ts';
import { imageMoments, sampleLatents } from './image-latents.ts';
import { drawNoise, PLAIN, type Preparation, type Start } from './preparation.ts';

/** Draws the VAE's sample of the image, then the noise. At strength 1, too, the start holds a trace of the image. */
export async function prepareImageToImage(preparation: Preparation<ImageToImageRequest>): Promise<Start> {
  return { ...PLAIN, latents: await noisedImage(preparation) };
}

export async function noisedImage(
  preparation: Preparation<Pick<ImageToImageRequest, 'image' | 'width' | 'height'>>,
): Promise<Float32Array> {
  const { model, request, sampler, random } = preparation;
  const moments = await imageMoments(model, request.image, request);
  const clean = sampleLatents(model, moments, random);
  return sampler.noised(clean, drawNoise(preparation));
}
