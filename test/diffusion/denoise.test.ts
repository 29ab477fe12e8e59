import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SAMPLER_NAMES } from '../../src/contract/samplers.ts';
import {
  decodeSample,
  isDenoised,
  startSample,
  stepBatch,
  type Sample,
} from '../../workers/render/diffusion/denoise.ts';
import type { LoadedModel } from '../../workers/render/diffusion/loaded-model.ts';
import type { SampleRequest, TextToImageRequest } from '../../workers/render/diffusion/sample-request.ts';
import { TextCache } from '../../workers/render/diffusion/text-cache.ts';
import { loadModel } from '../../workers/render/onnx/load-model.ts';

const folder = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const TINY = folder('../fixtures/golden/models/txt2img');
const POCKET = folder('../../models/pocket-base');

const BASE: TextToImageRequest = {
  kind: 'txt2img',
  prompt: 'a red cube on a grey floor',
  negativePrompt: '',
  width: 64,
  height: 64,
  steps: 4,
  guidanceScale: 5,
  guidanceRescale: 0,
  clipSkip: 0,
  eta: 0,
  seed: 1,
  sampler: 'ddim',
};

/** Settings that differ in everything but the model and the size. */
const MIXED: readonly SampleRequest[] = [
  BASE,
  { ...BASE, sampler: 'euler', steps: 5, guidanceScale: 1, seed: 2, prompt: 'a blue cone at night' },
  { ...BASE, sampler: 'pndm', steps: 3, guidanceScale: 7.5, seed: 3, negativePrompt: 'blur' },
  { ...BASE, sampler: 'dpmpp_2m', steps: 6, guidanceScale: 0, seed: 4, prompt: '' },
  {
    ...BASE,
    sampler: 'dpmpp_2m_karras',
    steps: 2,
    guidanceScale: 1.5,
    seed: 5,
    prompt: 'two green cylinders',
  },
  { ...BASE, sampler: 'pndm', steps: 1, guidanceScale: 3, seed: 2 ** 53 - 1, prompt: 'a sphere!' },
  { ...BASE, sampler: 'euler', steps: 1, seed: 6 },
  { ...BASE, seed: 7, sampler: 'dpmpp_2m', steps: 3, prompt: 'a purple sphere on a green floor by day' },
  { ...BASE, sampler: 'euler_a', steps: 4, clipSkip: 1, seed: 8, prompt: 'a white pyramid' },
  { ...BASE, sampler: 'unipc', steps: 5, guidanceRescale: 0.7, seed: 9, negativePrompt: 'night' },
  { ...BASE, sampler: 'lcm', steps: 3, guidanceScale: 1, seed: 10 },
  { ...BASE, sampler: 'dpmpp_2m_sde', steps: 4, guidanceScale: 2, seed: 1 },
  { ...BASE, sampler: 'ddpm', steps: 6, guidanceScale: 3, seed: 1, prompt: 'a yellow cone' },
  { ...BASE, sampler: 'lcm', steps: 5, guidanceScale: 1.5, seed: 11, prompt: 'a red cone' },
];

interface Rendered {
  readonly latents: Float32Array;
  readonly rgb: Uint8Array;
}

async function renderAlone(model: LoadedModel, request: SampleRequest): Promise<Rendered> {
  const sample = await startSample(model, request, new TextCache(0));
  while (!isDenoised(sample)) await stepBatch(model, [sample]);
  return finish(model, sample);
}

async function finish(model: LoadedModel, sample: Sample): Promise<Rendered> {
  const outcome = await decodeSample(model, sample);
  if (outcome.kind === 'failure') throw new Error(outcome.failure.message);
  return { latents: sample.latents, rgb: outcome.image.rgb };
}

/** A new sample joins before every call, those that are done leave, and the order of rows changes all the time. */
async function renderTogether(model: LoadedModel, requests: readonly SampleRequest[]): Promise<Rendered[]> {
  const texts = new TextCache(2 ** 20);
  const images: Rendered[] = [];
  const waiting = [...requests.entries()];
  let running: { n: number; sample: Sample }[] = [];
  while (waiting.length > 0 || running.length > 0) {
    const next = waiting.shift();
    if (next !== undefined) running.unshift({ n: next[0], sample: await startSample(model, next[1], texts) });
    await stepBatch(
      model,
      running.map(({ sample }) => sample),
    );
    for (const { n, sample } of running.filter((entry) => isDenoised(entry.sample))) {
      images[n] = await finish(model, sample);
    }
    running = running.filter(({ sample }) => !isDenoised(sample)).toReversed();
  }
  return images;
}

describe.each([
  ['the tiny model', TINY],
  ['the pocket model', POCKET],
])('with %s', (_, path) => {
  let model: LoadedModel;

  beforeAll(async () => {
    model = await loadModel(path, { device: { kind: 'cpu' }, profile: 'lean' });
  });
  afterAll(() => model.release());

  it('samples that join, mix and leave get the bits they get alone', async () => {
    expect(new Set(MIXED.map(({ sampler }) => sampler))).toEqual(new Set(SAMPLER_NAMES));
    const together = await renderTogether(model, MIXED);
    for (const [n, request] of MIXED.entries()) {
      expect(together[n]).toEqual(await renderAlone(model, request));
    }
  });
});

describe('a sample', () => {
  let model: LoadedModel;

  beforeAll(async () => {
    model = await loadModel(TINY, { device: { kind: 'cpu' }, profile: 'lean' });
  });
  afterAll(() => model.release());

  const start = (changes: Partial<TextToImageRequest>): Promise<Sample> =>
    startSample(model, { ...BASE, ...changes }, new TextCache(2 ** 20));

  it('takes two rows with guidance, and one when the scale is at most 1', async () => {
    expect((await start({ guidanceScale: 1.01 })).textRows).toHaveLength(2);
    expect((await start({ guidanceScale: 1 })).textRows).toHaveLength(1);
  });

  it('does not depend on the negative prompt without guidance', async () => {
    const request = { ...BASE, guidanceScale: 1 };
    const images = [
      await renderAlone(model, request),
      await renderAlone(model, { ...request, negativePrompt: 'red' }),
    ];
    expect(images[0]).toEqual(images[1]);
  });

  it('fails alone when its numbers overflow, and its neighbour gets the bits it gets alone', async () => {
    const poison = await start({ guidanceScale: Number.MAX_VALUE });
    const neighbour = await start({ seed: 9 });
    await stepBatch(model, [poison, neighbour]);
    expect(poison.failure).toMatchObject({ code: 'not_finite', stage: 'denoise' });
    expect(poison.failure?.message).toContain('call 1 of 4');
    while (!isDenoised(neighbour)) await stepBatch(model, [neighbour]);
    expect(await finish(model, neighbour)).toEqual(await renderAlone(model, { ...BASE, seed: 9 }));
  });

  it('fails when the decoder overflows', async () => {
    const sample = await start({});
    sample.latents.fill(3e38);
    expect(await decodeSample(model, sample)).toMatchObject({
      kind: 'failure',
      failure: { code: 'not_finite', stage: 'decode' },
    });
  });

  it('is refused when a side, the steps or the seed cannot be followed', async () => {
    await expect(start({ width: 100 })).rejects.toThrow('The width is 100, but must be a multiple of 8');
    await expect(start({ height: 0 })).rejects.toThrow('The height is 0');
    await expect(start({ clipSkip: 2 })).rejects.toThrow(
      'clip_skip is 2, but must be a whole number from 0 to 1: the text encoder of txt2img has 2 layers',
    );
    await expect(start({ steps: 0 })).rejects.toThrow('The number of steps is 0');
    await expect(start({ seed: -1 })).rejects.toThrow('The seed is -1');
  });

  it('shares a batch with its own size only', async () => {
    const samples = [await start({}), await start({ width: 72 })];
    await expect(stepBatch(model, samples)).rejects.toThrow(
      'A batch of latents 8 x 8 cannot hold latents 9 x 8',
    );
    await expect(stepBatch(model, [])).rejects.toThrow('at least one');
  });
});

describe('the text cache', () => {
  let model: LoadedModel;

  beforeAll(async () => {
    model = await loadModel(TINY, { device: { kind: 'cpu' }, profile: 'lean' });
  });
  afterAll(() => model.release());

  it('encodes a text once, and knows it by its tokens', async () => {
    const texts = new TextCache(2 ** 20);
    const first = await texts.rows(model, 'a red  cube', 0);
    expect(await texts.rows(model, 'A red cube', 0)).toBe(first);
    expect([texts.hits, texts.misses]).toEqual([1, 1]);
  });

  it('does not mix the rows with and without the last layer', async () => {
    const texts = new TextCache(2 ** 20);
    const whole = await texts.rows(model, 'a red cube', 0);
    const skipped = await texts.rows(model, 'a red cube', 1);
    expect(skipped).not.toEqual(whole);
    expect(await texts.rows(model, 'a red cube', 1)).toBe(skipped);
    expect(await texts.rows(model, 'a red cube', 0)).toBe(whole);
  });

  it('does not mix the rows of different text encoders', async () => {
    const texts = new TextCache(2 ** 20);
    await texts.rows(model, 'a cube', 0);
    const another = await loadModel(POCKET, { device: { kind: 'cpu' }, profile: 'lean' });
    await texts.rows(another, 'a cube', 0);
    await another.release();
    expect(texts.misses).toBe(2);
  });

  it('stays within its bytes by dropping what was not used for longest', async () => {
    const one = (await new TextCache(0).rows(model, '', 0)).byteLength;
    const texts = new TextCache(2 * one);
    for (const text of ['red', 'green', 'red', 'blue', 'red', 'green']) await texts.rows(model, text, 0);
    expect([texts.hits, texts.misses]).toEqual([2, 4]);
    expect(texts.bytes).toBe(2 * one);
  });

  it('keeps nothing that is larger than its bytes', async () => {
    const texts = new TextCache(1);
    await texts.rows(model, 'red', 0);
    expect(texts.bytes).toBe(0);
  });
});
