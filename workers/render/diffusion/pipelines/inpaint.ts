/**
 * Inpainting: what the mask leaves black stays as the image has it. Inpainting models (nine channels) are shown the
 * mask and the image without what is masked; any base model (four channels) can do it as well, by putting the image,
 * as noisy as the latents are, back outside the mask after each step (Lugmayr et al. 2022, without its jumps back).
 */
import type { Size } from '../../image/raw-image.ts';
import type { LoadedModel } from '../loaded-model.ts';
import { toPlanes } from '../rgb.ts';
import type { InpaintRequest } from '../sample-request.ts';
import { imageMoments, sampleLatents } from './image-latents.ts';
import { inpaintWork, type InpaintWork } from './inpaint-work.ts';
import { Kept } from './kept.ts';
import { drawNoise, PLAIN, pureNoise, type Preparation, type Start } from './preparation.ts';

const MASKED_MOMENTS = new Kept<Float32Array>();

export async function prepareInpaint(preparation: Preparation<InpaintRequest>): Promise<Start> {
  const { model, request } = preparation;
  const work = await inpaintWork(request);
  const isBase = model.inChannels === model.latentChannels;
  return isBase ? byBlending(preparation, work) : byChannels(preparation, work);
}

/**
 * Draws the VAE's sample of the image unless the strength is 1, then the noise, then the VAE's sample of the masked
 * image. The channels are the mask and that last sample.
 */
async function byChannels(preparation: Preparation<InpaintRequest>, work: InpaintWork): Promise<Start> {
  const { model, request, sampler, random, latentSize } = preparation;
  const moments = request.strength < 1 ? await imageMoments(model, work.image, request) : null;
  const clean = moments === null ? null : sampleLatents(model, moments, random);
  const noise = drawNoise(preparation);
  const masked = sampleLatents(model, await maskedMoments(model, work), random);

  const mask = latentMask(work, latentSize);
  const extraChannels = new Float32Array(mask.length + masked.length);
  extraChannels.set(mask);
  extraChannels.set(masked, mask.length);
  const latents = clean === null ? pureNoise(noise, sampler) : sampler.noised(clean, noise);
  return { ...PLAIN, latents, extraChannels, finish: work.finish };
}

/** Draws the VAE's sample of the image, then the noise, then one for the masked image, which is of no use here. */
async function byBlending(preparation: Preparation<InpaintRequest>, work: InpaintWork): Promise<Start> {
  const { model, request, sampler, random, latentSize } = preparation;
  const clean = sampleLatents(model, await imageMoments(model, work.image, request), random);
  const noise = drawNoise(preparation);
  random.randn(clean.length);

  const mask = latentMask(work, latentSize);
  const blend = (call: number, latents: Float32Array): Float32Array => {
    const untouched = sampler.noisedAfter(call, clean, noise);
    return latents.map((value, i) => (mask[i % mask.length] === 1 ? value : untouched[i]!));
  };
  const latents = request.strength < 1 ? sampler.noised(clean, noise) : pureNoise(noise, sampler);
  return { ...PLAIN, latents, blend, finish: work.finish };
}

/** The moments of the image with what is masked in mid-grey. */
function maskedMoments(model: LoadedModel, work: InpaintWork): Promise<Float32Array> {
  const { width, height } = work.image;
  return MASKED_MOMENTS.get([work], model.vaeDigest, () => {
    const visible = toPlanes(work.image).map((value, i) =>
      work.mask[i % work.mask.length] === 1 ? 0 : value,
    );
    return model.encode(visible, height, width);
  });
}

/** `[1, h, w]`, 0 or 1: of each cell the pixel in its upper left corner. */
function latentMask({ mask, image }: InpaintWork, latentSize: Size): Float32Array {
  const cell = image.width / latentSize.width;
  return Float32Array.from({ length: latentSize.height * latentSize.width }, (_, i) => {
    const row = cell * Math.floor(i / latentSize.width);
    return mask[row * image.width + cell * (i % latentSize.width)]!;
  });
}
