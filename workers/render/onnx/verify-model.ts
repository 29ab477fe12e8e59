/** Everything that is wrong with a model folder, part by part, without loading it. */
import { basename, join, resolve } from 'node:path';
import { ClipTokenizer } from '../diffusion/tokenizer.ts';
import { readComponentFiles } from './component-files.ts';
import type { ComponentName } from './component-files.ts';
import { messageOf } from './errors.ts';
import { INDEX_FILE, NOISE_SCHEDULE_FILE, readClassName, TOKENIZER_FOLDER } from './model-folder.ts';
import type { ModelFolderOptions } from './model-folder.ts';
import { misfits, readNoiseSchedule } from './model-plan.ts';
import { planComponent, TEXT_ENCODER, UNET, VAE } from './networks.ts';
import type { Network, Plan } from './networks.ts';

export interface ModelReport {
  readonly name: string;
  readonly path: string;
  readonly isSound: boolean;
  readonly parts: readonly PartReport[];
}

export interface PartReport {
  /** Path within the model; `fit` stands for the parts' sizes fitting together. */
  readonly name: string;
  /** Absent where the part has no weights, or none that could be read. */
  readonly weights?: { readonly path: string; readonly bytes: number; readonly tensors: number };
  /** One sentence each, in the case of weights one per tensor. */
  readonly problems: readonly string[];
}

/** Rejects for nothing that is wrong with the model: each fault is a problem of its part. */
export async function verifyModelFolder(dir: string, options: ModelFolderOptions = {}): Promise<ModelReport> {
  const path = resolve(dir);
  const plan = <C, N extends string>(
    name: ComponentName,
    network: Network<C, N>,
  ): Promise<Attempt<Plan<C, N>>> =>
    attempt(async () => planComponent(network, await readComponentFiles(path, name, options.variant)));
  const index = await attempt(() => readClassName(path));
  const schedule = await attempt(() => readNoiseSchedule(join(path, NOISE_SCHEDULE_FILE)));
  const tokenizer = await attempt(() => ClipTokenizer.fromFolder(join(path, TOKENIZER_FOLDER)));
  const textEncoder = await plan('text_encoder', TEXT_ENCODER);
  const unet = await plan('unet', UNET);
  const vae = await plan('vae', VAE);
  const parts: PartReport[] = [
    { name: INDEX_FILE, problems: index.problems },
    { name: NOISE_SCHEDULE_FILE, problems: schedule.problems },
    { name: TOKENIZER_FOLDER, problems: tokenizer.problems },
    weightsReport('text_encoder', textEncoder),
    weightsReport('unet', unet),
    weightsReport('vae', vae),
  ];
  if (textEncoder.value && unet.value && vae.value && tokenizer.value) {
    const configs = { textEncoder: textEncoder.value.config, unet: unet.value.config, vae: vae.value.config };
    parts.push({ name: 'fit', problems: misfits({ ...configs, tokenizer: tokenizer.value }) });
  }
  return { name: basename(path), path, isSound: parts.every(({ problems }) => problems.length === 0), parts };
}

interface Attempt<T> {
  readonly value?: T;
  readonly problems: readonly string[];
}

async function attempt<T>(read: () => Promise<T>): Promise<Attempt<T>> {
  try {
    return { value: await read(), problems: [] };
  } catch (error) {
    return { problems: [messageOf(error)] };
  }
}

function weightsReport<C, N extends string>(
  name: ComponentName,
  { value, problems }: Attempt<Plan<C, N>>,
): PartReport {
  if (value === undefined) return { name, problems };
  const { path, bytes, tensors } = value.files.weights;
  return { name, weights: { path, bytes, tensors: tensors.size }, problems: value.match.problems };
}
