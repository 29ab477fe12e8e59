/**
 * What an image is going to be, as far as the model knows by now: the clean latents that its newest output stands for.
 * Everything here only looks: a sample that was shown is the same to the bit as one that was not.
 */
import type { RawImage } from '../image/raw-image.ts';
import type { Sample } from './denoise.ts';
import { colourLatents, fitColours, type LatentColours } from './latent-colours.ts';
import type { LoadedModel } from './loaded-model.ts';
import { cleanSample, predictionType } from './prediction.ts';
import { toRgb } from './rgb.ts';
import { applyMix } from './samplers/weighted-sum.ts';

export class Previews {
  /** By the digest of the VAE. */
  readonly #colours = new Map<string, Promise<LatentColours>>();

  /** One pixel a latent cell, in well under a millisecond; the first of each VAE waits for its fit. */
  async fast(model: LoadedModel, sample: Sample): Promise<RawImage> {
    return colourLatents(await this.#coloursOf(model), cleanLatents(model, sample), sample.latentSize);
  }

  /** By way of the decoder: as sharp as the image, and as dear as its decoding. */
  async full(model: LoadedModel, sample: Sample): Promise<RawImage> {
    const { height, width } = sample.latentSize;
    const planes = await model.decode(cleanLatents(model, sample), height, width);
    return toRgb(planes, sample.request);
  }

  #coloursOf(model: LoadedModel): Promise<LatentColours> {
    const known = this.#colours.get(model.vaeDigest);
    if (known !== undefined) return known;
    const fitted = fitColours(model);
    this.#colours.set(model.vaeDigest, fitted);
    fitted.catch(() => this.#colours.delete(model.vaeDigest));
    return fitted;
  }
}

/** `[latentChannels, h, w]`; of a sample that has made no call its latents as they are. */
export function cleanLatents(
  { noiseSchedule }: LoadedModel,
  { sampler, newest, latents }: Sample,
): Float32Array {
  if (newest === null) return latents;
  const { call, output } = newest;
  const { alpha, sigma } = sampler.level(call);
  // Some samplers keep latents whose variance grows with the noise; the model was shown them scaled.
  const scale = sampler.inputScale(call);
  const mix = cleanSample(predictionType(noiseSchedule), alpha * scale, sigma * scale);
  return applyMix({ latents: mix.latents * scale, output: mix.output }, newest.latents, output);
}
