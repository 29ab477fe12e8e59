/** What a published pipeline can do. The class says how it was trained to be fed, the UNet's channels what it is fed. */
import { join } from 'node:path';
import type { JobKind } from '../../../src/domain/job.ts';
import { readJson } from './component-files.ts';
import { ModelError } from './errors.ts';
import type { UnetConfig } from './unet-config.ts';

export const INDEX_FILE = 'model_index.json';

/** What diffusers assumes where model_index.json does not say. */
const DEFAULT_MAX_NOISE_LEVEL = 350;
const LATENT_CHANNELS = 4;

/** Channels of the UNet's input -> what it can do. Beside the 4 of the latents: */
const KINDS: ReadonlyMap<number, readonly JobKind[]> = new Map([
  // none; parts of an image are kept by blending latents
  [4, ['txt2img', 'img2img', 'inpaint']],
  // one of depth
  [5, ['depth']],
  // three of the low-resolution image
  [7, ['upscale']],
  // one of the mask, four of the masked image's latents
  [9, ['inpaint']],
]);

/** Which inputs a class is published with. A UNet for inpainting was at times saved under the plain class. */
const CHANNELS: ReadonlyMap<string, readonly number[]> = new Map([
  ['StableDiffusionPipeline', [4, 9]],
  ['StableDiffusionImg2ImgPipeline', [4, 9]],
  ['StableDiffusionInpaintPipeline', [4, 9]],
  ['StableDiffusionInpaintPipelineLegacy', [4, 9]],
  ['StableDiffusionDepth2ImgPipeline', [5]],
  ['StableDiffusionUpscalePipeline', [7]],
]);

export interface PipelineIndex {
  readonly className: string;
  /** The highest noise level an upscaler was trained on; of no meaning for others. */
  readonly maxNoiseLevel: number;
}

/** Reads model_index.json. What it says of the parts is not needed: their configs say more. @throws ModelError */
export async function readIndex(modelFolder: string): Promise<PipelineIndex> {
  const path = join(modelFolder, INDEX_FILE);
  const json = await readJson(path);
  const index: Readonly<Record<string, unknown>> = typeof json === 'object' ? { ...json } : {};
  const className = index['_class_name'];
  if (typeof className !== 'string') throw new ModelError(`${path}: names no _class_name`);
  if (!CHANNELS.has(className))
    throw new ModelError(
      `${path}: "_class_name": ${className} is not a pipeline that Kiln knows: ${[...CHANNELS.keys()].join(', ')}`,
    );
  const maxNoiseLevel = index['max_noise_level'] ?? DEFAULT_MAX_NOISE_LEVEL;
  if (!Number.isSafeInteger(maxNoiseLevel) || Number(maxNoiseLevel) < 0)
    throw new ModelError(
      `${path}: "max_noise_level": ${JSON.stringify(maxNoiseLevel)} must be a whole number of at least 0`,
    );
  return { className, maxNoiseLevel: Number(maxNoiseLevel) };
}

/**
 * Kinds of job that a model can do.
 * @param where the UNet's config, named in errors
 * @throws ModelError for a UNet that does not belong to the class
 */
export function kindsOf(
  { className, maxNoiseLevel }: PipelineIndex,
  unet: UnetConfig,
  where: string,
): readonly JobKind[] {
  const { inChannels, outChannels, classes } = unet;
  const fail = (key: string, problem: string): never => {
    throw new ModelError(`${where}: "${key}": ${problem}`);
  };
  const allowed = CHANNELS.get(className) ?? [];
  const kinds = allowed.includes(inChannels) ? KINDS.get(inChannels) : undefined;
  if (kinds === undefined)
    return fail(
      'in_channels',
      `${inChannels}: a ${className} has a UNet of ${allowed.join(' or ')} channels`,
    );
  if (outChannels !== LATENT_CHANNELS)
    return fail('out_channels', `${outChannels}: a ${className} predicts ${LATENT_CHANNELS} channels`);
  const isUpscaler = kinds.includes('upscale');
  if (isUpscaler && (classes ?? 0) <= maxNoiseLevel)
    return fail(
      'num_class_embeds',
      `${classes ?? '(absent)'}: an upscaler needs one for each noise level, 0 to ${maxNoiseLevel}`,
    );
  if (!isUpscaler && classes !== undefined)
    return fail('num_class_embeds', `${classes}: only the UNets of upscalers have class embeddings`);
  return kinds;
}
