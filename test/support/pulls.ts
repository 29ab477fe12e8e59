/** Models published on a hub of this machine, and pulls of them. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { lines } from '../../src/cli/models/pull-display.ts';
import { pullModel, type Pulled, type PullRequest } from '../../src/cli/models/pull-model.ts';
import { FakeHub } from './fake-hub.ts';
import { writeRandomComponent } from './random-model.ts';
import { temporaryFolder } from './temporary-folder.ts';
import { writeTinyModel, type TinyKind } from './tiny-models.ts';

export const ID = 'tests/tiny';
export const INDEX = 'model_index.json';
export const TEXT = 'text_encoder/model.safetensors';
export const UNET = 'unet/diffusion_pytorch_model.safetensors';
export const UNET_HALF = 'unet/diffusion_pytorch_model.fp16.safetensors';
export const VAE = 'vae/diffusion_pytorch_model.safetensors';
export const TOKEN = 'hf_secretOfTheTest';

const ARRIVAL_LIMIT_MS = 20_000;

export interface PublishedModel {
  readonly hub: FakeHub;
  readonly dir: string;
  readonly told: string[];
  readonly pull: (changes?: Partial<PullRequest>, signal?: AbortSignal) => Promise<Pulled>;
}

/** A tiny model as `main` of `ID`, and an empty folder of models to pull it into, as `tiny`. */
export async function publish(kind: TinyKind = 'base'): Promise<PublishedModel> {
  const source = await temporaryFolder();
  await writeTinyModel(source, kind);
  const hub = await FakeHub.start(ID, source);
  const dir = await temporaryFolder();
  const told: string[] = [];
  const request: PullRequest = {
    endpoint: hub.endpoint,
    id: ID,
    token: null,
    revision: 'main',
    variant: undefined,
    dir,
    name: 'tiny',
    isForced: false,
  };
  return {
    hub,
    dir,
    told,
    pull: (changes, signal = new AbortController().signal) =>
      pullModel(
        { ...request, ...changes },
        { signal, display: lines((line) => told.push(line)), firstWaitMs: 1 },
      ),
  };
}

/** The published UNet once more, in half precision. */
export async function publishHalfUnet(hub: FakeHub): Promise<void> {
  const folder = await temporaryFolder();
  const config: unknown = JSON.parse(hub.contentOf('unet/config.json').toString());
  await writeRandomComponent(folder, 'unet', Object(config), { dtype: 'F16' });
  hub.publish(UNET_HALF, await readFile(join(folder, UNET)));
}

/** Byte for byte; equality of buffers as objects takes seconds. */
export async function expectPublished(hub: FakeHub, path: string, folder: string): Promise<void> {
  expect((await readFile(join(folder, path))).equals(hub.contentOf(path)), path).toBe(true);
}

/** Paths of all files below, sorted. */
export async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .toSorted();
}

/** Until a file of that name has that size. */
export async function untilThere(folder: string, name: RegExp, bytes: number): Promise<void> {
  const arrived = async (): Promise<number> => {
    const names = await readdir(folder).catch(() => []);
    const found = names.find((candidate) => name.test(candidate));
    return found === undefined ? 0 : (await readFile(join(folder, found))).length;
  };
  await expect.poll(arrived, { timeout: ARRIVAL_LIMIT_MS }).toBe(bytes);
}
