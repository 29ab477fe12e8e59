import { cp, open, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { ModelFiles } from '../../workers/render/engine/model-files.ts';
import { ModelShelf, type ModelSource } from '../../workers/render/engine/model-shelf.ts';
import { listComponents, readModelFolder } from '../../workers/render/onnx/model-folder.ts';
import { openSafetensors } from '../../workers/render/onnx/safetensors.ts';
import { checkPinnedModels } from '../../workers/render/pinned-models.ts';
import { engineSample, modelFiles, TestEngine } from '../support/engine.ts';
import { writeRandomComponent } from '../support/random-model.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { writeTinyModel } from '../support/tiny-models.ts';

const TEXT_WEIGHTS = 'text_encoder/model.safetensors';
const UNET_WEIGHTS = 'unet/diffusion_pytorch_model.safetensors';
const shelves: ModelShelf[] = [];

/** Models of one family: only their UNets differ. */
async function family(...names: string[]): Promise<string> {
  const dir = await temporaryFolder();
  for (const [i, name] of names.entries()) {
    await writeTinyModel(join(dir, name), 'base');
    if (i > 0) await writeRandomComponent(join(dir, name), 'unet', TINY_UNET, { seed: i + 1 });
  }
  return dir;
}

const TINY_UNET = { block_out_channels: [16, 16], attention_head_dim: [2, 2], norm_num_groups: 4 };

interface ShelfSettings {
  readonly budget?: number;
  readonly pinned?: readonly string[];
}

function shelfOf(source: ModelSource, { budget = 2 ** 30, pinned = [] }: ShelfSettings = {}): ModelShelf {
  const shelf = new ModelShelf({
    source,
    budget: { total: budget, own: 0 },
    pinned,
    freeBytes: () => Promise.resolve(2 ** 40),
    privateBytes: () => 0,
  });
  shelves.push(shelf);
  return shelf;
}

/** Gets a model, loaded if need be, and says who had to leave for it. */
async function use(shelf: ModelShelf, name: string): Promise<string[]> {
  const released: string[] = [];
  if (shelf.get(name) === undefined)
    await shelf.load(name, (gone) => {
      released.push(gone);
      return Promise.resolve();
    });
  return released;
}

/** What the components of one model take, and what a further one of its family adds. */
async function sizesOf(
  files: ModelFiles,
  one: string,
  other: string,
): Promise<{ first: number; next: number }> {
  const [a, b] = [await files.prepare(one), await files.prepare(other)];
  const both = files.claimedBytes;
  await b.release();
  const first = files.claimedBytes;
  await a.release();
  return { first, next: both - first };
}

afterEach(async () => {
  for (const shelf of shelves.splice(0)) await shelf.releaseAll();
});

describe('models in memory', () => {
  test('stay while they fit; then the one unused for longest leaves, and pinned ones never', async () => {
    const dir = await family('a', 'b', 'c', 'd');
    const files = modelFiles(dir);
    const { first, next } = await sizesOf(files, 'a', 'b');
    const budget = Math.ceil((first + 2 * next) * 1.06);
    const shelf = shelfOf(files, { budget, pinned: ['a'] });
    expect(await use(shelf, 'a')).toEqual([]);
    expect(await use(shelf, 'b')).toEqual([]);
    expect(await use(shelf, 'c')).toEqual([]);
    expect(await use(shelf, 'b')).toEqual([]);
    expect(await use(shelf, 'd')).toEqual(['c']);
    expect(await use(shelf, 'c')).toEqual(['b']);
    expect(shelf.counts).toEqual({ loads: 5, releases: 2 });
    expect(files.claimedBytes).toBe(first + 2 * next);
    expect(await shelf.releaseIdle('c')).toEqual(['d']);
    await shelf.releaseAll();
    expect([files.claimedBytes, files.sessions]).toEqual([0, 0]);
  });

  test('share what is equal: held once, opened once, until the last of them leaves', async () => {
    const dir = await family('a', 'b');
    const files = modelFiles(dir);
    const shelf = shelfOf(files);
    const { model: a, bytes } = await shelf.load('a', never);
    const alone = files.sessions;
    const { model: b } = await shelf.load('b', never);
    expect([alone, files.sessions]).toEqual([3, 4]);
    expect(files.claimedBytes).toBeLessThan(2 * bytes);
    expect([b.textEncoderDigest, b.vaeDigest]).toEqual([a.textEncoderDigest, a.vaeDigest]);
    await shelf.releaseIdle('b');
    expect(files.sessions).toBe(3);
    expect(await b.encodeText(b.tokenize('a cube'), 0)).toHaveLength(77 * 32);
  });

  test('need room for a second copy of their largest part while they load, when its weights are put into another order', async () => {
    const dir = await family('a');
    const files = modelFiles(dir);
    const prepared = await files.prepare('a');
    const { components } = await readModelFolder(join(dir, 'a'));
    const largest = Math.max(...listComponents(components).map(({ memoryBytes }) => memoryBytes));
    expect(files.bytesToCome).toBe(prepared.memoryBytes + largest);
    await prepared.open();
    expect(files.bytesToCome).toBe(0);
    await prepared.release();
  });

  test('open what only some jobs need when the first of them comes', async () => {
    const dir = await temporaryFolder();
    await writeTinyModel(join(dir, 'depth'), 'depth');
    const files = modelFiles(dir);
    const { model } = await shelfOf(files).load('depth', never);
    expect(files.sessions).toBe(3);
    expect(await model.encode(new Float32Array(3 * 64 * 64), 64, 64)).toHaveLength(8 * 8 * 8);
    expect(files.sessions).toBe(4);
    const { width = 0, height = 0 } = model.depth ?? {};
    const map = await model.depth?.estimate(new Float32Array(3 * width * height));
    expect(map).toHaveLength(width * height);
    expect(files.sessions).toBe(5);
  });

  test('that are larger than the budget are refused with both numbers, and nobody leaves for them', async () => {
    const dir = await family('a');
    await writeTinyModel(join(dir, 'large'), 'base', 3);
    await writeRandomComponent(join(dir, 'large'), 'text_encoder', { vocab_size: 100_000 });
    const files = modelFiles(dir);
    const shelf = shelfOf(files, { budget: 4_000_000 });
    await use(shelf, 'a');
    await expect(use(shelf, 'large')).rejects.toThrow(
      /large cannot be held: it needs 1\d\.\d MB of memory, more than the budget of 4\.0 MB \(KILN_VRAM_BUDGET\)/,
    );
    expect(await use(shelf, 'a')).toEqual([]);
    expect(shelf.counts).toEqual({ loads: 1, releases: 0 });
  });

  test('that fail while they load leave nothing behind, and what they shared with others whole', async () => {
    const dir = await family('a', 'b');
    const files = modelFiles(dir);
    const source: ModelSource = {
      get claimedBytes() {
        return files.claimedBytes;
      },
      get bytesToCome() {
        return files.bytesToCome;
      },
      prepare: async (name) => {
        const prepared = await files.prepare(name);
        // Its UNet comes last: by then the sessions before it are open.
        if (name === 'b') await truncate(join(dir, 'b', UNET_WEIGHTS), 100_000);
        return prepared;
      },
    };
    const shelf = shelfOf(source);
    const { model } = await shelf.load('a', never);
    const before = [files.claimedBytes, files.sessions];
    await expect(use(shelf, 'b')).rejects.toThrow(/b\/unet\/.*could not be loaded on the CPU/);
    await expect(use(shelf, 'b')).rejects.toThrow(/truncated|leave the data/);
    expect([files.claimedBytes, files.sessions]).toEqual(before);
    expect(await model.encodeText(model.tokenize('a cube'), 0)).toHaveLength(77 * 32);
    expect(shelf.counts).toEqual({ loads: 1, releases: 0 });
  });
});

describe('large components', () => {
  const VOCABULARY = 140_000;
  /** Neither at the start nor at the end of the table of token embeddings, where files are sampled. */
  const MIDDLE_TOKEN = VOCABULARY / 2;

  test('that differ in the middle of one tensor are never taken for each other; equal ones are shared', async () => {
    const dir = await temporaryFolder();
    await writeTinyModel(join(dir, 'a'), 'base');
    await writeRandomComponent(join(dir, 'a'), 'text_encoder', { vocab_size: VOCABULARY });
    for (const name of ['copy', 'tuned']) await cp(join(dir, 'a'), join(dir, name), { recursive: true });
    await spoilRow(join(dir, 'tuned', TEXT_WEIGHTS), MIDDLE_TOKEN);
    const files = modelFiles(dir);
    const shelf = shelfOf(files);
    const hidden: Float32Array[] = [];
    const digests: string[] = [];
    for (const name of ['a', 'copy', 'tuned']) {
      const { model } = await shelf.load(name, never);
      hidden.push(await model.encodeText(new Int32Array(77).fill(MIDDLE_TOKEN), 0));
      digests.push(model.textEncoderDigest);
    }
    expect(hidden[1]).toEqual(hidden[0]);
    expect(hidden[2]).not.toEqual(hidden[0]);
    expect(digests[1]).toBe(digests[0]);
    expect(digests[2]).not.toBe(digests[0]);
    expect(files.sessions).toBe(4);
  });

  async function spoilRow(path: string, token: number): Promise<void> {
    const { tensors } = await openSafetensors(path);
    const { offset, shape } = tensors.get('text_model.embeddings.token_embedding.weight')!;
    const row = Float32Array.from({ length: shape[1]! }, (_, i) => Math.sin(i));
    const handle = await open(path, 'r+');
    try {
      await handle.write(Buffer.from(row.buffer), 0, row.byteLength, offset + token * row.byteLength);
    } finally {
      await handle.close();
    }
  }
});

describe('pinned models', () => {
  test('are loaded before any job asks for them, and a broken one stops nothing', async () => {
    const dir = await family('a', 'b');
    await writeFile(join(dir, 'b', 'model_index.json'), '{}');
    const engine = new TestEngine({ models: modelFiles(dir), pinned: ['b', 'a'] });
    await engine.until(() => engine.all('model').length === 4);
    expect(engine.all('model').map(({ name, state }) => `${name} ${state}`)).toEqual([
      'b loading',
      'b failed',
      'a loading',
      'a ready',
    ]);
    engine.add(engineSample('s', {}, { model: 'a' }));
    await engine.images('s');
    expect(engine.all('model')).toHaveLength(4);
    await engine.stop();
  });

  test('that do not fit into the budget together, or are not there, are refused at the start', async () => {
    const dir = await family('a', 'b');
    const { first, next } = await sizesOf(modelFiles(dir), 'a', 'b');
    const check = (pinnedModels: string[], budget: number): Promise<void> =>
      checkPinnedModels({ modelDirs: [dir], pinnedModels }, budget);
    await check(['a', 'b'], first + next);
    await expect(check(['a', 'b'], first + next - 1)).rejects.toThrow(
      /KILN_PINNED_MODELS is a, b: together, it needs .* more than the budget/,
    );
    await expect(check(['c'], 2 ** 30)).rejects.toThrow(
      /KILN_PINNED_MODELS names c: there is no such model in/,
    );
  });
});

function never(name: string): Promise<void> {
  return Promise.reject(new Error(`${name} was released`));
}
