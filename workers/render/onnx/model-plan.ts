/** A whole model, checked as far as it can be without loading it: every tensor, and that the components fit. */
import { TEXT_POSITIONS } from '../diffusion/tokenizer.ts';
import type { ClipTokenizer } from '../diffusion/tokenizer.ts';
import { parseNoiseScheduleConfig } from '../diffusion/noise-schedule.ts';
import type { NoiseScheduleConfig } from '../diffusion/noise-schedule.ts';
import type { ClipTextConfig } from './clip-text.ts';
import { readJson } from './component-files.ts';
import { listProblems, messageOf, ModelError } from './errors.ts';
import type { ModelFolder } from './model-folder.ts';
import { planComponent, TEXT_ENCODER, UNET, VAE } from './networks.ts';
import type { Plan } from './networks.ts';
import type { UnetConfig } from './unet-config.ts';
import type { VaeConfig } from './vae.ts';

export interface ModelPlan {
  readonly textEncoder: Plan<ClipTextConfig, 'encoder'>;
  readonly unet: Plan<UnetConfig, 'unet'>;
  readonly vae: Plan<VaeConfig, 'decoder' | 'encoder'>;
}

/** @throws ModelError listing every tensor that is missing, wrong or without a place, and every misfit */
export function planModel({ path, components }: ModelFolder, tokenizer: ClipTokenizer): ModelPlan {
  const textEncoder = planComponent(TEXT_ENCODER, components.text_encoder);
  const unet = planComponent(UNET, components.unet);
  const vae = planComponent(VAE, components.vae);
  const problems = [textEncoder, unet, vae].flatMap(({ files, match }) =>
    match.problems.map((problem) => `${files.name}: ${problem}`),
  );
  const configs = { textEncoder: textEncoder.config, unet: unet.config, vae: vae.config };
  problems.push(...misfits({ ...configs, tokenizer }));
  if (problems.length > 0) throw new ModelError(listProblems(`${path} cannot be loaded`, problems));
  return { textEncoder, unet, vae };
}

export async function readNoiseSchedule(path: string): Promise<NoiseScheduleConfig> {
  const json = await readJson(path);
  try {
    return parseNoiseScheduleConfig(json);
  } catch (cause) {
    throw new ModelError(`${path}: ${messageOf(cause)}`, { cause });
  }
}

export interface FittingParts {
  readonly textEncoder: ClipTextConfig;
  readonly unet: UnetConfig;
  readonly vae: VaeConfig;
  readonly tokenizer: ClipTokenizer;
}

/** Components that come from different models: one sentence per misfit. */
export function misfits({ textEncoder, unet, vae, tokenizer }: FittingParts): string[] {
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
  return problems;
}
