/** A whole model, checked as far as it can be without loading it: every tensor, and that the components fit. */
import { parseNoiseScheduleConfig } from '../diffusion/noise-schedule.ts';
import type { NoiseScheduleConfig } from '../diffusion/noise-schedule.ts';
import { TEXT_POSITIONS } from '../diffusion/tokenizer.ts';
import type { ClipTokenizer } from '../diffusion/tokenizer.ts';
import type { ClipTextConfig } from './clip-text.ts';
import { readJson } from './component-files.ts';
import { parseDepthProcessor } from './depth-processor.ts';
import type { DepthProcessor } from './depth-processor.ts';
import type { DptConfig } from './dpt-config.ts';
import { listProblems, messageOf, ModelError } from './errors.ts';
import type { SettingFiles, ModelFolder } from './model-folder.ts';
import { DEPTH_ESTIMATOR, planComponent, TEXT_ENCODER, UNET, VAE } from './networks.ts';
import type { Plan } from './networks.ts';
import type { UnetConfig } from './unet-config.ts';
import type { VaeConfig } from './vae.ts';

/** An upscaler's latents have the size of the low-resolution image, so this is by how much it enlarges. */
const UPSCALER_LATENT_SCALE = 4;

export interface ModelPlan {
  readonly textEncoder: Plan<ClipTextConfig, 'encoder'>;
  readonly unet: Plan<UnetConfig, 'unet'>;
  readonly vae: Plan<VaeConfig, 'decoder' | 'tileDecoder' | 'encoder'>;
  readonly depthEstimator: Plan<DptConfig, 'estimator'> | null;
  readonly settings: ModelSettings;
}

/** What the small files say. */
export interface ModelSettings {
  readonly noiseSchedule: NoiseScheduleConfig;
  readonly lowResSchedule: NoiseScheduleConfig | null;
  readonly depthProcessor: DepthProcessor | null;
}

/** @throws ModelError listing every tensor that is missing, wrong or without a place, and every misfit */
export async function planModel(folder: ModelFolder, tokenizer: ClipTokenizer): Promise<ModelPlan> {
  const { path, kinds, components, files } = folder;
  const settings = await readSettings(files);
  const textEncoder = planComponent(TEXT_ENCODER, components.text_encoder);
  const unet = planComponent(UNET, components.unet);
  const vae = planComponent(VAE, components.vae);
  const depthEstimator =
    components.depth_estimator === null ? null : planComponent(DEPTH_ESTIMATOR, components.depth_estimator);
  const problems = [textEncoder, unet, vae, depthEstimator]
    .filter((plan) => plan !== null)
    .flatMap((plan) => plan.match.problems.map((problem) => `${plan.files.name}: ${problem}`));
  const configs = { textEncoder: textEncoder.config, unet: unet.config, vae: vae.config };
  const { depthProcessor: processor } = settings;
  const depth = depthEstimator && processor ? { estimator: depthEstimator.config, processor } : null;
  const isUpscaler = kinds.includes('upscale');
  problems.push(...misfits({ ...configs, tokenizer, depth, isUpscaler }));
  if (problems.length > 0) throw new ModelError(listProblems(`${path} cannot be loaded`, problems));
  return { textEncoder, unet, vae, depthEstimator, settings };
}

export async function readNoiseSchedule(path: string): Promise<NoiseScheduleConfig> {
  const json = await readJson(path);
  try {
    return parseNoiseScheduleConfig(json);
  } catch (cause) {
    throw new ModelError(`${path}: ${messageOf(cause)}`, { cause });
  }
}

export async function readDepthProcessor(path: string): Promise<DepthProcessor> {
  return parseDepthProcessor(await readJson(path), path);
}

async function readSettings(files: SettingFiles): Promise<ModelSettings> {
  const { noiseSchedule, lowResSchedule, depthProcessor } = files;
  return {
    noiseSchedule: await readNoiseSchedule(noiseSchedule),
    lowResSchedule: lowResSchedule === null ? null : await readNoiseSchedule(lowResSchedule),
    depthProcessor: depthProcessor === null ? null : await readDepthProcessor(depthProcessor),
  };
}

export interface FittingParts {
  readonly textEncoder: ClipTextConfig;
  readonly unet: UnetConfig;
  readonly vae: VaeConfig;
  readonly tokenizer: ClipTokenizer;
  readonly depth: { readonly estimator: DptConfig; readonly processor: DepthProcessor } | null;
  readonly isUpscaler: boolean;
}

/** Components that come from different models: one sentence per misfit. */
export function misfits({ textEncoder, unet, vae, tokenizer, depth, isUpscaler }: FittingParts): string[] {
  const problems: string[] = [];
  // The two tokens that frame a text have the highest ids of CLIP's vocabulary.
  const highestId = Math.max(...tokenizer.encode(''));
  if (highestId >= textEncoder.vocabSize)
    problems.push(
      `the tokenizer gives id ${highestId}, the text encoder's vocab_size is ${textEncoder.vocabSize}`,
    );
  if (textEncoder.positions !== TEXT_POSITIONS)
    problems.push(
      `the text encoder's max_position_embeddings is ${textEncoder.positions}, not ${TEXT_POSITIONS}`,
    );
  if (unet.crossAttentionDim !== textEncoder.hiddenSize)
    problems.push(
      `the UNet's cross_attention_dim is ${unet.crossAttentionDim}, the text encoder's hidden_size ${textEncoder.hiddenSize}`,
    );
  if (unet.outChannels !== vae.latentChannels)
    problems.push(
      `the UNet's out_channels is ${unet.outChannels}, the VAE's latent_channels ${vae.latentChannels}`,
    );
  if (isUpscaler && vae.latentScale !== UPSCALER_LATENT_SCALE)
    problems.push(
      `an upscaler's VAE must enlarge ${UPSCALER_LATENT_SCALE} times, this one does so ${vae.latentScale} times`,
    );
  if (
    depth &&
    (depth.processor.width !== depth.estimator.side || depth.processor.height !== depth.estimator.side)
  )
    problems.push(
      `the depth estimator takes ${depth.estimator.side}x${depth.estimator.side} pixels, ` +
        `its processor's size is ${depth.processor.width}x${depth.processor.height}`,
    );
  return problems;
}
