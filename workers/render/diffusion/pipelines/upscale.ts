/**
 * Upscaling by a factor of the VAE's: from pure noise, with the UNet shown the low-resolution image, noisy to a level
 * that it is told as a class (conditioning augmentation, Ho et al. 2022). The more noise, the more is made up.
 */
import { resize } from '../../image/resize.ts';
import type { LoadedModel } from '../loaded-model.ts';
import { signalTable } from '../noise-tables.ts';
import { toPlanes } from '../rgb.ts';
import type { UpscaleRequest } from '../sample-request.ts';
import { levelOfSignal } from '../samplers/timestep-walk.ts';
import { weightedSum } from '../samplers/weighted-sum.ts';
import { drawNoise, PLAIN, pureNoise, type Preparation, type Start } from './preparation.ts';

/** Draws the image's noise, then the latents'. Throws when the noise level is none that the model was trained on. */
export function prepareUpscale(preparation: Preparation<UpscaleRequest>): Start {
  const { model, request, latentSize, sampler, random } = preparation;
  const { alpha, sigma } = levelOfSignal(signalAt(model, request.noiseLevel));
  // Latents are as large as the low-resolution image.
  const planes = toPlanes(resize(request.image, latentSize, 'bicubic'));
  const extraChannels = weightedSum([alpha, planes], [sigma, random.randn(planes.length)]);
  const latents = pureNoise(drawNoise(preparation), sampler);
  return { ...PLAIN, latents, extraChannels, classLabel: request.noiseLevel };
}

/** The image's share of the variance. */
function signalAt({ name, lowResSchedule, maxNoiseLevel }: LoadedModel, level: number): number {
  if (lowResSchedule === null || maxNoiseLevel === null) {
    throw new RangeError(`${name} has no schedule for the noise of a low-resolution image`);
  }
  const signal = signalTable(lowResSchedule)[level];
  if (signal !== undefined && level <= maxNoiseLevel) return signal;
  throw new RangeError(
    `noise_level is ${level}, but must be a whole number from 0 to ${maxNoiseLevel}: ${name} was trained on no other`,
  );
}
