/** Writes small models with random weights in the published layout. */
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packageRoot } from '../../src/paths.ts';
import { parametersOf } from '../../workers/render/onnx/graph.ts';
import type { Graph } from '../../workers/render/onnx/graph.ts';
import { DEPTH_ESTIMATOR, TEXT_ENCODER, UNET, VAE } from '../../workers/render/onnx/networks.ts';
import { writeRandomWeights } from '../../workers/render/onnx/random-weights.ts';
import type { RandomWeightsOptions } from '../../workers/render/onnx/random-weights.ts';
import { SMALL_TEXT, SMALL_UNET, SMALL_VAE } from './stable-diffusion.ts';

interface Component {
  readonly config: object;
  readonly weightFile: string;
  readonly graphs: (config: object) => readonly Graph[];
}

const COMPONENTS = {
  text_encoder: {
    config: SMALL_TEXT,
    weightFile: 'model.safetensors',
    graphs: (config) => Object.values(TEXT_ENCODER.graphs(TEXT_ENCODER.parse(config, 'text'))),
  },
  unet: {
    config: SMALL_UNET,
    weightFile: 'diffusion_pytorch_model.safetensors',
    graphs: (config) => Object.values(UNET.graphs(UNET.parse(config, 'unet'))),
  },
  vae: {
    config: SMALL_VAE,
    weightFile: 'diffusion_pytorch_model.safetensors',
    graphs: (config) => Object.values(VAE.graphs(VAE.parse(config, 'vae'))),
  },
  depth_estimator: {
    config: {},
    weightFile: 'model.safetensors',
    graphs: (config) => Object.values(DEPTH_ESTIMATOR.graphs(DEPTH_ESTIMATOR.parse(config, 'depth'))),
  },
} as const satisfies Readonly<Record<string, Component>>;

const DEFAULTS: RandomWeightsOptions = { seed: 1, dtype: 'F32' };

/** A whole model, its tokenizer and noise schedule those of the pocket model. */
export async function writeRandomModel(
  folder: string,
  options: Partial<RandomWeightsOptions> = {},
): Promise<void> {
  const pocket = join(packageRoot(), 'models', 'pocket-base');
  for (const part of ['tokenizer', 'scheduler', 'model_index.json'])
    await cp(join(pocket, part), join(folder, part), { recursive: true });
  for (const name of ['text_encoder', 'unet', 'vae'] as const)
    await writeRandomComponent(folder, name, {}, options);
}

/** One component, its config altered by `change`. */
export async function writeRandomComponent(
  folder: string,
  name: keyof typeof COMPONENTS,
  change: object = {},
  options: Partial<RandomWeightsOptions> = {},
): Promise<void> {
  const { graphs, weightFile, ...component }: Component = COMPONENTS[name];
  const config = { ...component.config, ...change };
  await mkdir(join(folder, name), { recursive: true });
  await writeFile(join(folder, name, 'config.json'), JSON.stringify(config));
  const parameters = parametersOf(graphs(config));
  await writeRandomWeights(join(folder, name, weightFile), parameters, { ...DEFAULTS, ...options });
}
