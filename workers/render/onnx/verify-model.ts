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
import type { PipelineIndex } from './pipeline.ts';
import type { UnetConfig } from './unet-config.ts';

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
  const plan = <C, N extends string>(
    name: ComponentName,
    network: Network<C, N>,
  ): Promise<Attempt<Plan<C, N>>> =>
    attemptPlan(at(layout.folderOf(name)), async () =>
      planComponent(network, await readComponentFiles(layout.folderOf(name), name, variant)),
    );
  const check = <T>(file: string | null, read: (path: string) => Promise<T>): Promise<Attempt<T>> | null =>
    file === null ? null : attempt(at(file), () => read(file));
  const index = await attempt(INDEX_FILE, () => readIndex(layout.path));
  const textEncoder = await plan('text_encoder', TEXT_ENCODER);
  const unet = await plan('unet', UNET);
  const vae = await plan('vae', VAE);
  const pipeline = attemptKinds(index, unet);
  const kinds = pipeline.value ?? [];
  const files = filesOf(layout, kinds);
  const tokenizer = await attempt(at(files.tokenizer), () => ClipTokenizer.fromFolder(files.tokenizer));
  const depthEstimator = kinds.includes('depth') ? await plan('depth_estimator', DEPTH_ESTIMATOR) : null;
  const processor = await check(files.depthProcessor, readDepthProcessor);
  const attempts = [
    pipeline,
    await check(files.noiseSchedule, readNoiseSchedule),
    await check(files.lowResSchedule, readNoiseSchedule),
    tokenizer,
    textEncoder,
    unet,
    vae,
    depthEstimator,
    processor,
  ];
  const reports = attempts.filter((part) => part !== null).map(({ report }) => report);
  if (textEncoder.value && unet.value && vae.value && tokenizer.value) {
    const configs = { textEncoder: textEncoder.value.config, unet: unet.value.config, vae: vae.value.config };
    const estimator = depthEstimator?.value?.config;
    const depth = estimator && processor?.value ? { estimator, processor: processor.value } : null;
    const isUpscaler = kinds.includes('upscale');
    const problems = misfits({ ...configs, tokenizer: tokenizer.value, depth, isUpscaler });
    reports.push({ name: 'fit', problems });
  }
  return { kinds, reports };
}

/** The index, and whether the UNet belongs to what it names. */
function attemptKinds(
  index: Attempt<PipelineIndex>,
  unet: Attempt<Plan<UnetConfig, 'unet'>>,
): Attempt<readonly JobKind[]> {
  if (index.value === undefined || unet.value === undefined)
    return { value: undefined, report: index.report };
  const { config, files } = unet.value;
  try {
    return { value: kindsOf(index.value, config, files.configPath), report: index.report };
  } catch (error) {
    return { value: undefined, report: { ...index.report, problems: [messageOf(error)] } };
  }
}

async function attempt<T>(name: string, read: () => Promise<T>): Promise<Attempt<T>> {
  try {
    return { value: await read(), report: { name, problems: [] } };
  } catch (error) {
    return { value: undefined, report: { name, problems: [messageOf(error)] } };
  }
}

async function attemptPlan<C, N extends string>(
  name: string,
  read: () => Promise<Plan<C, N>>,
): Promise<Attempt<Plan<C, N>>> {
  const { value, report } = await attempt(name, read);
  if (value === undefined) return { value, report };
  const { path, bytes, tensors } = value.files.weights;
  const weights = { path, bytes, tensors: tensors.size };
  return { value, report: { name, weights, problems: value.match.problems } };
}
