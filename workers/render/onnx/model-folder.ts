/** A model as the hub publishes it: a folder with model_index.json and one folder per component. Nothing is loaded. */
import { readdir, readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { COMPONENT_NAMES, exists, readComponentFiles, readJson } from './component-files.ts';
import type { ComponentFiles, ComponentName } from './component-files.ts';
import { ModelError } from './errors.ts';
import { digestOf, fingerprintWeights } from './fingerprint.ts';
import { parseUnetConfig } from './unet-config.ts';
import { parseVaeConfig } from './vae.ts';

export const INDEX_FILE = 'model_index.json';
export const TOKENIZER_FOLDER = 'tokenizer';
export const NOISE_SCHEDULE_FILE = 'scheduler/scheduler_config.json';
const TEXT_TO_IMAGE_CLASS = 'StableDiffusionPipeline';
const TEXT_TO_IMAGE_CHANNELS = 4;
const TOKENIZER_FILES = ['vocab.json', 'merges.txt', 'special_tokens_map.json', 'tokenizer_config.json'];

export interface ModelFolder {
  /** The folder's name. */
  readonly name: string;
  readonly path: string;
  /** Kinds of job it can do. */
  readonly kinds: readonly 'txt2img'[];
  /** Changes whenever an image might: covers weights, configs, tokenizer and noise schedule. */
  readonly digest: string;
  /** Of the weight files in use. */
  readonly bytes: number;
  /** Of the weights as a CPU holds them: half precision is widened at load. */
  readonly memoryBytes: number;
  /** Pixels it was trained on. */
  readonly defaultWidth: number;
  readonly defaultHeight: number;
  readonly components: Readonly<Record<ComponentName, ComponentFiles>>;
  /** Of each component's weights and config. */
  readonly componentDigests: Readonly<Record<ComponentName, string>>;
  readonly tokenizerFolder: string;
  readonly noiseSchedulePath: string;
}

export interface ModelFolderOptions {
  /** Weights to prefer, such as `fp16`. */
  readonly variant?: string;
}

/** @throws ModelError naming the file that is missing or not understood */
export async function readModelFolder(dir: string, options: ModelFolderOptions = {}): Promise<ModelFolder> {
  const path = resolve(dir);
  const className = await readClassName(path);
  const [textEncoder, unet, vae] = await Promise.all([
    readComponentFiles(path, 'text_encoder', options.variant),
    readComponentFiles(path, 'unet', options.variant),
    readComponentFiles(path, 'vae', options.variant),
  ]);
  const components = { text_encoder: textEncoder, unet, vae };
  const componentDigests = {
    text_encoder: await digestComponent(textEncoder),
    unet: await digestComponent(unet),
    vae: await digestComponent(vae),
  };
  const tokenizerFolder = join(path, TOKENIZER_FOLDER);
  const noiseSchedulePath = join(path, NOISE_SCHEDULE_FILE);
  const small = [noiseSchedulePath, ...TOKENIZER_FILES.map((file) => join(tokenizerFolder, file))];
  const { inChannels, sampleSize } = parseUnetConfig(unet.config, unet.configPath);
  const side = sampleSize * parseVaeConfig(vae.config, vae.configPath).latentScale;
  const isTextToImage = className === TEXT_TO_IMAGE_CLASS && inChannels === TEXT_TO_IMAGE_CHANNELS;
  return {
    name: basename(path),
    path,
    kinds: isTextToImage ? ['txt2img'] : [],
    digest: digestOf([
      className,
      ...Object.values(componentDigests),
      ...(await Promise.all(small.map(textOf))),
    ]),
    bytes: COMPONENT_NAMES.reduce((sum, name) => sum + components[name].weights.bytes, 0),
    memoryBytes: COMPONENT_NAMES.reduce((sum, name) => sum + widenedBytes(components[name]), 0),
    defaultWidth: side,
    defaultHeight: side,
    components,
    componentDigests,
    tokenizerFolder,
    noiseSchedulePath,
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

export async function readClassName(modelFolder: string): Promise<string> {
  const path = join(modelFolder, INDEX_FILE);
  const index = await readJson(path);
  if (typeof index === 'object' && index !== null && '_class_name' in index) {
    const name = index._class_name;
    if (typeof name === 'string') return name;
  }
  throw new ModelError(`${path}: names no _class_name`);
}

async function digestComponent({ config, weights }: ComponentFiles): Promise<string> {
  return digestOf([JSON.stringify(config), await fingerprintWeights(weights)]);
}

function widenedBytes({ weights }: ComponentFiles): number {
  return [...weights.tensors.values()].reduce(
    (sum, { dtype, length }) => sum + (dtype === 'F16' ? 2 * length : length),
    0,
  );
}

/** Empty when the file does not exist: two of the tokenizer's are optional. */
async function textOf(path: string): Promise<string> {
  return (await exists(path)) ? readFile(path, 'utf8') : '';
}

async function namesIn(dir: string): Promise<string[]> {
  return (await exists(dir)) ? readdir(dir) : [];
}
