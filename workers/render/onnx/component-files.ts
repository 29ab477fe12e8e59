/** Where a component's config and weights lie in a published folder (the diffusers layout). */
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelError } from './errors.ts';
import { openSafetensors } from './safetensors.ts';
import type { SafetensorsFile } from './safetensors.ts';

/** With the stem that the writing library gives the weight file. */
export const WEIGHT_STEMS = {
  text_encoder: 'model',
  unet: 'diffusion_pytorch_model',
  vae: 'diffusion_pytorch_model',
  depth_estimator: 'model',
} as const;

export type ComponentName = keyof typeof WEIGHT_STEMS;

export interface ComponentFiles {
  readonly name: ComponentName;
  /** For errors about the config. */
  readonly configPath: string;
  readonly config: unknown;
  readonly weights: SafetensorsFile;
}

/**
 * @param folder that holds the component's config.json
 * @param variant of the weights, as in `model.<variant>.safetensors`; each component falls back to the plain file,
 *   because few repositories publish every variant of every component
 * @throws ModelError
 */
export async function readComponentFiles(
  folder: string,
  name: ComponentName,
  variant?: string,
): Promise<ComponentFiles> {
  const configPath = join(folder, 'config.json');
  const config = await readJson(configPath);
  const weights = await openSafetensors(await findWeights(folder, WEIGHT_STEMS[name], variant));
  return { name, configPath, config, weights };
}

/** The wanted variant, the plain file, or the half-precision one that some repositories have instead of it. */
async function findWeights(folder: string, stem: string, variant?: string): Promise<string> {
  const wanted = variant === undefined ? [] : [`${stem}.${variant}.safetensors`];
  const names = [...wanted, `${stem}.safetensors`, `${stem}.fp16.safetensors`];
  for (const name of names) if (await exists(join(folder, name))) return join(folder, name);
  if (await exists(join(folder, `${stem}.safetensors.index.json`)))
    throw new ModelError(`${folder}: the weights are split into shards, which Kiln does not read`);
  for (const pickled of [`${stem}.bin`, 'pytorch_model.bin'])
    if (await exists(join(folder, pickled)))
      throw new ModelError(
        `${folder}: has only ${pickled}: pickled weights can run code when they are read, so Kiln takes ` +
          `safetensors alone. Most repositories publish both; fetch ${stem}.safetensors`,
      );
  throw new ModelError(`${folder}: has none of ${names.join(', ')}`);
}

export async function readJson(path: string): Promise<unknown> {
  if (!(await exists(path))) throw new ModelError(`${path}: there is no such file`);
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    throw new ModelError(`${path}: cannot be read as JSON`, { cause });
  }
}

export function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
