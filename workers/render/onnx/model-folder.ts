/** A model as the hub publishes it: a folder with model_index.json and one folder per component. Nothing is loaded. */
import { readdir, readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { JobKind } from '../../../src/domain/job.ts';
import { exists, readComponentFiles } from './component-files.ts';
import type { ComponentFiles, ComponentName } from './component-files.ts';
import { DEPTH_PROCESSOR_FILE } from './depth-processor.ts';
import { digestOf, fingerprintWeights } from './fingerprint.ts';
import { readLayout } from './model-layout.ts';
import type { ModelLayout } from './model-layout.ts';
import { INDEX_FILE, kindsOf, readIndex } from './pipeline.ts';
import { parseUnetConfig } from './unet-config.ts';
import { parseVaeConfig } from './vae.ts';

const SCHEDULE_FILE = 'scheduler_config.json';
const TOKENIZER_FILES = ['vocab.json', 'merges.txt', 'special_tokens_map.json', 'tokenizer_config.json'];

export interface ModelFolder {
  /** The folder's name. */
  readonly name: string;
  readonly path: string;
  /** Kinds of job it can do, at least one. */
  readonly kinds: readonly JobKind[];
  /** Changes whenever an image might: covers weights, configs, tokenizer and noise schedules, wherever they lie. */
  readonly digest: string;
  /** Of the weight files in use. */
  readonly bytes: number;
  /** Of the weights as they are computed with: half precision is widened at load. */
  readonly memoryBytes: number;
  /** Pixels it was trained on; of an upscaler those of its output. */
  readonly defaultWidth: number;
  readonly defaultHeight: number;
  readonly components: ModelComponents;
  readonly files: SettingFiles;
  /** Of an upscaler: the highest noise level it was trained on. */
  readonly maxNoiseLevel: number | null;
}

export interface ModelComponents {
  readonly text_encoder: Component;
  readonly unet: Component;
  readonly vae: Component;
  /** Of models that do depth. */
  readonly depth_estimator: Component | null;
}

export interface Component extends ComponentFiles {
  /** Of weights and config. */
  readonly digest: string;
  /** Components with this digest are equal to the last byte; otherwise they are so in all likelihood. */
  readonly isExact: boolean;
  readonly memoryBytes: number;
}

/** Paths of the parts that have no weights. */
export interface SettingFiles {
  readonly tokenizer: string;
  readonly noiseSchedule: string;
  /** Of an upscaler. */
  readonly lowResSchedule: string | null;
  /** Of a model that does depth. */
  readonly depthProcessor: string | null;
}

export interface ModelFolderOptions {
  /** Weights to prefer, such as `fp16`. */
  readonly variant?: string;
  /** Folders with models: components may lie anywhere below them, and beside the model. */
  readonly roots?: readonly string[];
}

/** @throws ModelError naming the file that is missing or not understood */
export async function readModelFolder(dir: string, options: ModelFolderOptions = {}): Promise<ModelFolder> {
  const path = resolve(dir);
  const index = await readIndex(path);
  const layout = await readLayout(path, options.roots);
  const read = async (name: ComponentName): Promise<Component> =>
    describe(await readComponentFiles(layout.folderOf(name), name, options.variant));
  const unet = await read('unet');
  const { sampleSize, ...unetConfig } = parseUnetConfig(unet.config, unet.configPath);
  const kinds = kindsOf(index, { sampleSize, ...unetConfig }, unet.configPath);
  const components = {
    text_encoder: await read('text_encoder'),
    unet,
    vae: await read('vae'),
    depth_estimator: kinds.includes('depth') ? await read('depth_estimator') : null,
  };
  const files = filesOf(layout, kinds);
  const all = listComponents(components);
  const side = sampleSize * parseVaeConfig(components.vae.config, components.vae.configPath).latentScale;
  const maxNoiseLevel = kinds.includes('upscale') ? index.maxNoiseLevel : null;
  return {
    name: basename(path),
    path,
    kinds,
    digest: digestOf([
      index.className,
      String(maxNoiseLevel),
      ...all.map((component) => component.digest),
      ...(await Promise.all(pathsOf(files).map(textOf))),
    ]),
    bytes: all.reduce((sum, { weights }) => sum + weights.bytes, 0),
    memoryBytes: all.reduce((sum, component) => sum + component.memoryBytes, 0),
    defaultWidth: side,
    defaultHeight: side,
    components,
    files,
    maxNoiseLevel,
  };
}

/**
 * Folders with a model_index.json directly below `dirs`, sorted by name. Of two with the same name the one in the
 * earlier folder counts, as with PATH; a folder that does not exist has no models.
 */
export async function findModels(dirs: readonly string[]): Promise<{ name: string; path: string }[]> {
  const found = new Map<string, string>();
  for (const dir of dirs) {
    for (const name of await namesIn(dir)) {
      const path = resolve(dir, name);
      if (!found.has(name) && (await exists(join(path, INDEX_FILE)))) found.set(name, path);
    }
  }
  return [...found].map(([name, path]) => ({ name, path })).toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** The parts without weights that models of these kinds have. */
export function filesOf(layout: ModelLayout, kinds: readonly JobKind[]): SettingFiles {
  return {
    tokenizer: layout.folderOf('tokenizer'),
    noiseSchedule: join(layout.folderOf('scheduler'), SCHEDULE_FILE),
    lowResSchedule: kinds.includes('upscale')
      ? join(layout.folderOf('low_res_scheduler'), SCHEDULE_FILE)
      : null,
    depthProcessor: kinds.includes('depth')
      ? join(layout.folderOf('feature_extractor'), DEPTH_PROCESSOR_FILE)
      : null,
  };
}

/** Everything that changes ids is in these; two of the four are optional. */
export function tokenizerPaths(folder: string): string[] {
  return TOKENIZER_FILES.map((file) => join(folder, file));
}

export function listComponents({ text_encoder, unet, vae, depth_estimator }: ModelComponents): Component[] {
  return [text_encoder, unet, vae, ...(depth_estimator === null ? [] : [depth_estimator])];
}

/** Empty when the file does not exist. */
export async function textOf(path: string): Promise<string> {
  return (await exists(path)) ? readFile(path, 'utf8') : '';
}

async function describe(files: ComponentFiles): Promise<Component> {
  const { digest, isExact } = await fingerprintWeights(files.weights);
  const memoryBytes = [...files.weights.tensors.values()].reduce(
    (sum, { dtype, length }) => sum + (dtype === 'F16' ? 2 * length : length),
    0,
  );
  return { ...files, digest: digestOf([JSON.stringify(files.config), digest]), isExact, memoryBytes };
}

function pathsOf({ tokenizer, ...files }: SettingFiles): string[] {
  return [...Object.values(files).filter((path) => path !== null), ...tokenizerPaths(tokenizer)];
}

async function namesIn(dir: string): Promise<string[]> {
  return (await exists(dir)) ? readdir(dir) : [];
}
