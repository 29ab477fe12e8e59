import type { TextToImageRequest } from '../sample-request.ts';
import { drawNoise, PLAIN, pureNoise, type Preparation, type Start } from './preparation.ts';

/** Starts from noise alone. Draws the latents' noise. */
export function prepareTextToImage(preparation: Preparation<TextToImageRequest>): Start {
  return { ...PLAIN, latents: pureNoise(drawNoise(preparation), preparation.sampler) };
}
