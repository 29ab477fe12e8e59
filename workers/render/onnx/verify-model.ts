/** Everything that is wrong with a model folder, part by part, without loading it. */
import { basename, join, relative, resolve } from 'node:path';
import type { JobKind } from '../../../src/domain/job.ts';
import { ClipTokenizer } from '../diffusion/tokenizer.ts';
import { exists, readComponentFiles } from './component-files.ts';
import type { ComponentName } from './component-files.ts';
import { messageOf } from './errors.ts';
import { filesOf } from './model-folder.ts';
import type { ModelFolderOptions } from './model-folder.ts';
import { LAYOUT_FILE, publishedLayout, readLayout } from './model-layout.ts';
import type { ModelLayout } from './model-layout.ts';
import { misfits, readDepthProcessor, readNoiseSchedule } from './model-plan.ts';
import { DEPTH_ESTIMATOR, planComponent, TEXT_ENCODER, UNET, VAE } from './networks.ts';
import type { Network, Plan } from './networks.ts';
import { INDEX_FILE, kindsOf, readIndex } from './pipeline.ts';

export interface ModelReport {
  readonly name: string;
  readonly path: string;
  /** Kinds of job it can do; none where its pipeline is not understood. */
  readonly kinds: readonly JobKind[];
  readonly isSound: boolean;
  readonly parts: readonly PartReport[];
}

export interface PartReport {
  /** Path, seen from the model; `fit` stands for the parts' sizes fitting together. */
  readonly name: string;
  /** Absent where the part has no weights, or none that could be read. */
  readonly weights?: { readonly path: string; readonly bytes: number; readonly tensors: number };
  /** One sentence each, in the case of weights one per tensor. */
  readonly problems: readonly string[];
}

/** Rejects for nothing that is wrong with the model: each fault is a problem of its part. */
export async function verifyModelFolder(dir: string, options: ModelFolderOptions = {}): Promise<ModelReport> {
  const path = resolve(dir);
  const layout = await attempt(LAYOUT_FILE, () => readLayout(path, options.roots));
  const isLaidOut = await exists(join(path, LAYOUT_FILE));
  const { kinds, reports } = await inspect(layout.value ?? publishedLayout(path), options.variant);
  const parts = [...(isLaidOut ? [layout.report] : []), ...reports];
  const isSound = parts.every(({ problems }) => problems.length === 0);
  return { name: basename(path), path, kinds, isSound, parts };
}

interface Attempt<T> {
  readonly value: T | undefined;
  readonly report: PartReport;
}

async function inspect(
  layout: ModelLayout,
  variant: string | undefined,
): Promise<Pick<ModelReport, 'kinds'> & { reports: PartReport[] }> {
  const at = (file: string): string => relative(layout.path, file);
  const plan = async <C, N extends string>(
    name: ComponentName,
    network: Network<C, N>,
  ): Promise<Attempt<Plan<C, N>>> => {
    const folder = layout.folderOf(name);
    const read = async (): Promise<Plan<C, N>> =>
      planComponent(network, await readComponentFiles(folder, name, variant));
    return weighed(await attempt(at(folder), read));
  };
  const unet = await plan('unet', UNET);
  const index = await attempt(INDEX_FILE, () => readIndex(layout.path));
  const pipeline = await attempt(INDEX_FILE, async () => {
    const { value } = unet;
    return index.value && value ? kindsOf(index.value, value.config, value.files.configPath) : [];
  });
  const kinds = pipeline.value ?? [];
  const files = filesOf(layout, kinds);
  const schedule = (file: string | null): Promise<Attempt<unknown>> | null =>
    file === null ? null : attempt(at(file), () => readNoiseSchedule(file));
  const { depthProcessor } = files;
  const tokenizer = await attempt(at(files.tokenizer), () => ClipTokenizer.fromFolder(files.tokenizer));
  const textEncoder = await plan('text_encoder', TEXT_ENCODER);
  const vae = await plan('vae', VAE);
  const processor =
    depthProcessor === null
      ? null
      : await attempt(at(depthProcessor), () => readDepthProcessor(depthProcessor));
  const estimator = kinds.includes('depth') ? await plan('depth_estimator', DEPTH_ESTIMATOR) : null;
  const attempts = [
    index.value === undefined ? index : pipeline,
    await schedule(files.noiseSchedule),
    await schedule(files.lowResSchedule),
    tokenizer,
    textEncoder,
    unet,
    vae,
    estimator,
    processor,
  ];
  const reports = attempts.filter((part) => part !== null).map(({ report }) => report);
  if (textEncoder.value && unet.value && vae.value && tokenizer.value)
    reports.push({
      name: 'fit',
      problems: misfits({
        textEncoder: textEncoder.value.config,
        unet: unet.value.config,
        vae: vae.value.config,
        tokenizer: tokenizer.value,
        depth:
          estimator?.value && processor?.value
            ? { estimator: estimator.value.config, processor: processor.value }
            : null,
        isUpscaler: kinds.includes('upscale'),
      }),
    });
  return { kinds, reports };
}

async function attempt<T>(name: string, read: () => Promise<T>): Promise<Attempt<T>> {
  try {
    return { value: await read(), report: { name, problems: [] } };
  } catch (error) {
    return { value: undefined, report: { name, problems: [messageOf(error)] } };
  }
}

function weighed<C, N extends string>(part: Attempt<Plan<C, N>>): Attempt<Plan<C, N>> {
  if (part.value === undefined) return part;
  const { files, match } = part.value;
  const { path, bytes, tensors } = files.weights;
  const weights = { path, bytes, tensors: tensors.size };
  return { ...part, report: { ...part.report, weights, problems: match.problems } };
}
