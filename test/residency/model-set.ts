/** Model folders to be juggled: of the four architectures, large enough for memory to matter, with random weights. */
import { readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Parse } from 'typebox/value';
import { Type } from 'typebox';
import { writeRandomComponent } from '../support/random-model.ts';
import { writeTinyModel, type TinyKind } from '../support/tiny-models.ts';

/**
 * - `unreadable`: its weights end too early, as after a broken download; seen when folders are looked through.
 * - `mismatched`: its weights are not those of its config; seen when it is loaded, so jobs for it are taken.
 */
export type Flaw = 'unreadable' | 'mismatched';

export interface ModelSpec {
  readonly name: string;
  readonly kind: TinyKind;
  /** Channels of the UNet's lower level, where nearly all of its weights are: they grow with the square. */
  readonly channels: number;
  /** F16 is widened at load, into private memory; large files of F32 are mapped. */
  readonly dtype: 'F16' | 'F32';
  /** Another model whose VAE and text encoder it uses, by a kiln.json. */
  readonly sharesWith?: string;
  readonly flaw?: Flaw;
}

/** The VAE's share of a model, some 20 MB, is at its lowest level too, where it costs little time. */
const VAE_CHANNELS = [8, 8, 16, 256];
const UNET_TOP_CHANNELS = 32;
const SHARED_PARTS = ['vae', 'text_encoder'] as const;

const Config = Type.Object({ block_out_channels: Type.Array(Type.Integer()) });

/** One folder each below `dir`. */
export async function writeModelSet(dir: string, specs: readonly ModelSpec[]): Promise<void> {
  for (const [n, spec] of specs.entries()) await writeModel(join(dir, spec.name), spec, n + 1);
}

async function writeModel(folder: string, spec: ModelSpec, seed: number): Promise<void> {
  const { kind, dtype, channels, sharesWith } = spec;
  await writeTinyModel(folder, kind, seed);
  await widen(folder, 'unet', [UNET_TOP_CHANNELS, channels], { seed, dtype });
  if (sharesWith !== undefined) await share(folder, sharesWith);
  // The upscaler's VAE has levels of its own.
  else if (kind !== 'upscale') await widen(folder, 'vae', VAE_CHANNELS, { seed, dtype: 'F16' });
  if (spec.flaw !== undefined) await spoil(folder, spec.flaw);
}

async function widen(
  folder: string,
  part: 'unet' | 'vae',
  channels: readonly number[],
  options: { readonly seed: number; readonly dtype: ModelSpec['dtype'] },
): Promise<void> {
  const config = await configOf(folder, part);
  await writeRandomComponent(folder, part, { ...config, block_out_channels: channels }, options);
}

async function share(folder: string, owner: string): Promise<void> {
  const components = Object.fromEntries(SHARED_PARTS.map((part) => [part, `../${owner}/${part}`]));
  await writeFile(join(folder, 'kiln.json'), JSON.stringify({ components }));
  for (const part of SHARED_PARTS) await rm(join(folder, part), { recursive: true });
}

async function spoil(folder: string, flaw: Flaw): Promise<void> {
  const unet = join(folder, 'unet');
  if (flaw === 'unreadable') return truncate(join(unet, 'diffusion_pytorch_model.safetensors'), 2 ** 20);
  const config = await configOf(folder, 'unet');
  const [top = 0, low = 0] = config.block_out_channels;
  await writeFile(
    join(unet, 'config.json'),
    JSON.stringify({ ...config, block_out_channels: [top, low + 32] }),
  );
}

async function configOf(folder: string, part: string): Promise<Type.Static<typeof Config>> {
  return Parse(Config, JSON.parse(await readFile(join(folder, part, 'config.json'), 'utf8')));
}
