/** The models that are swapped: folders as published, random weights. */
import { copyFile, cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packageRoot } from '../../src/paths.ts';
import { writeRandomComponent } from '../../test/support/random-model.ts';

export interface ComponentConfigs {
  readonly text_encoder: object;
  readonly unet: object;
  readonly vae: object;
}

export const MAPPED = 'mapped';
export const SIBLING = 'sibling';
export const WIDENED = 'widened';

/**
 * Three models in one folder: one in fp32, whose weights are mapped from their files; a fine-tune of it, which shares
 * all but the UNet; and one in fp16, which is widened while it loads.
 */
export async function writeSwapModels(folder: string, configs: ComponentConfigs): Promise<void> {
  for (const [name, dtype] of [
    [MAPPED, 'F32'],
    [WIDENED, 'F16'],
  ] as const) {
    await writeShell(join(folder, name));
    for (const component of ['text_encoder', 'unet', 'vae'] as const)
      await writeRandomComponent(join(folder, name), component, configs[component], { dtype });
  }
  await writeShell(join(folder, SIBLING));
  await writeRandomComponent(join(folder, SIBLING), 'unet', configs.unet, { seed: 2 });
  const components = { text_encoder: `../${MAPPED}/text_encoder`, vae: `../${MAPPED}/vae` };
  await writeFile(join(folder, SIBLING, 'kiln.json'), JSON.stringify({ components }));
}

/** What a model has beside its networks. */
async function writeShell(folder: string): Promise<void> {
  const pocket = join(packageRoot(), 'models', 'pocket-base');
  await mkdir(folder, { recursive: true });
  await copyFile(join(pocket, 'model_index.json'), join(folder, 'model_index.json'));
  for (const part of ['tokenizer', 'scheduler'])
    await cp(join(pocket, part), join(folder, part), { recursive: true });
}
