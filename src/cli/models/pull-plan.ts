/** Which files of a published repository make a model that Kiln can run. Pure. */
import { WEIGHT_STEMS, type ComponentName } from '../../../workers/render/onnx/component-files.ts';
import { INDEX_FILE } from '../../../workers/render/onnx/pipeline.ts';
import type { HubFile } from './hub.ts';

export type Variant = 'fp16';

const BASE: readonly ComponentName[] = ['text_encoder', 'unet', 'vae'];
const BASE_FILES = [
  INDEX_FILE,
  'scheduler/scheduler_config.json',
  'tokenizer/vocab.json',
  'tokenizer/merges.txt',
];
const OPTIONAL_FILES = ['tokenizer/special_tokens_map.json', 'tokenizer/tokenizer_config.json'];
const PICKLED = /\.(?:bin|ckpt|pt|pth)$/;

interface Extras {
  readonly components: readonly ComponentName[];
  readonly files: readonly string[];
}

/** What classes have beside the three networks, the tokenizer and the noise schedule of all. */
const EXTRAS: ReadonlyMap<string, Extras> = new Map([
  [
    'StableDiffusionDepth2ImgPipeline',
    { components: ['depth_estimator'], files: ['feature_extractor/preprocessor_config.json'] },
  ],
  ['StableDiffusionUpscalePipeline', { components: [], files: ['low_res_scheduler/scheduler_config.json'] }],
]);

export interface PullPlan {
  /** Small enough to look at before the weights come. */
  readonly configs: readonly HubFile[];
  readonly weights: readonly HubFile[];
}

/**
 * @param className of a pipeline that Kiln knows
 * @param published all files of the repository, by path
 * @param variant of the weights to prefer; a part that is not published in it comes in the plain precision
 * @throws Error that names what is missing
 */
export function planPull(
  className: string,
  published: ReadonlyMap<string, HubFile>,
  variant: Variant | undefined,
): PullPlan {
  const extras = EXTRAS.get(className) ?? { components: [], files: [] };
  const components = [...BASE, ...extras.components];
  const required = [...BASE_FILES, ...extras.files, ...components.map((name) => `${name}/config.json`)];
  return {
    configs: [
      ...required.map((path) => requiredFile(path, published)),
      ...OPTIONAL_FILES.flatMap((path) => published.get(path) ?? []),
    ],
    weights: components.map((name) => weightsOf(name, published, variant)),
  };
}

function requiredFile(path: string, published: ReadonlyMap<string, HubFile>): HubFile {
  const file = published.get(path);
  if (file === undefined) throw new Error(`the repository has no ${path}`);
  return file;
}

/** In the order in which the loader looks for them, so that it finds the one that was chosen. */
function weightsOf(
  name: ComponentName,
  published: ReadonlyMap<string, HubFile>,
  variant: Variant | undefined,
): HubFile {
  const plain = `${name}/${WEIGHT_STEMS[name]}.safetensors`;
  const half = `${name}/${WEIGHT_STEMS[name]}.fp16.safetensors`;
  const candidates = variant === 'fp16' ? [half, plain] : [plain, half];
  const [chosen] = candidates.flatMap((path) => published.get(path) ?? []);
  if (chosen !== undefined) return chosen;
  const others = [...published.keys()].filter((path) => path.startsWith(`${name}/`));
  if (others.some((path) => path.endsWith('.safetensors.index.json')))
    throw new Error(`the weights of ${name} are split into shards, which Kiln does not read`);
  const pickled = others.find((path) => PICKLED.test(path));
  if (pickled !== undefined)
    throw new Error(
      `${name} is published as ${pickled} only: pickled weights can run code when they are read, so Kiln takes ` +
        `safetensors alone. Look for a revision or a copy of the repository with safetensors`,
    );
  throw new Error(`the repository has neither ${candidates.join(' nor ')}`);
}
