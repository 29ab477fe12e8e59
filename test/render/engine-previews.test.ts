import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { fitColours, colourLatents } from '../../workers/render/diffusion/latent-colours.ts';
import { isDenoised, startSample, stepBatch } from '../../workers/render/diffusion/denoise.ts';
import { Previews } from '../../workers/render/diffusion/preview.ts';
import { TextCache } from '../../workers/render/diffusion/text-cache.ts';
import type { ModelSource } from '../../workers/render/engine/model-shelf.ts';
import type { EngineSample } from '../../workers/render/engine/sample-message.ts';
import { resize } from '../../workers/render/image/resize.ts';
import {
  engineSample,
  modelFiles,
  MODELS_DIR,
  sampleOfKind,
  TestEngine,
  type EngineOptions,
} from '../support/engine.ts';
import { colourPng } from '../support/pictures.ts';
import { writeTinyModel } from '../support/tiny-models.ts';

let dir: string;
const engines: TestEngine[] = [];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-tiny-'));
  await writeTinyModel(join(dir, 'tiny-base'), 'base');
  await writeTinyModel(join(dir, 'tiny-upscale'), 'upscale');
});
afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.stop()));
});
afterAll(() => rm(dir, { recursive: true }));

function startEngine(options: EngineOptions = {}): TestEngine {
  const engine = new TestEngine({ models: modelFiles(dir), ...options });
  engines.push(engine);
  return engine;
}

/** Call, calls, how and size of the previews of a sample. */
function previewsOf(engine: TestEngine, id: string): string[] {
  return engine
    .all('preview')
    .filter((event) => event.id === id)
    .map(({ call, calls, how, width, height }) => `${call}/${calls} ${how} ${width}x${height}`);
}

const onTiny = { model: 'tiny-base' } as const;
const seven = { kind: 'txt2img', steps: 7, sampler: 'dpmpp_2m' } as const;

describe('previews', () => {
  test('come after the first step and every few, small or decoded, and never at the end', async () => {
    const engine = startEngine();
    engine.add(
      sampleOfKind('fast', seven, { ...onTiny, preview: { every: 3, kind: 'fast' } }),
      sampleOfKind('full', seven, { ...onTiny, preview: { every: 7, kind: 'full' } }),
      sampleOfKind('each', { ...seven, steps: 3 }, { ...onTiny, preview: { every: 1, kind: 'fast' } }),
      sampleOfKind('none', seven, onTiny),
    );
    await engine.images('fast', 'full', 'each', 'none');
    expect(previewsOf(engine, 'fast')).toEqual(['1/7 fast 8x8', '3/7 fast 8x8', '6/7 fast 8x8']);
    expect(previewsOf(engine, 'full')).toEqual(['1/7 full 64x64']);
    expect(previewsOf(engine, 'each')).toEqual(['1/3 fast 8x8', '2/3 fast 8x8']);
    expect(previewsOf(engine, 'none')).toEqual([]);
    for (const { ms, rgb, width, height } of engine.all('preview')) {
      expect(ms).toBeGreaterThan(0);
      expect(rgb).toHaveLength(3 * width * height);
    }
  });

  test('change no bit of the image, whatever the sampler', async () => {
    const engine = startEngine();
    const samples = (['euler_a', 'dpmpp_2m', 'pndm', 'lcm'] as const).flatMap((sampler): EngineSample[] => {
      const request = { ...seven, sampler, steps: 4 };
      return [
        sampleOfKind(`${sampler} unseen`, request, onTiny),
        sampleOfKind(`${sampler} fast`, request, { ...onTiny, preview: { every: 1, kind: 'fast' } }),
        sampleOfKind(`${sampler} full`, request, { ...onTiny, preview: { every: 1, kind: 'full' } }),
      ];
    });
    engine.add(...samples);
    const images = await engine.images(...samples.map(({ id }) => id));
    for (const [id, { rgb }] of images) {
      const unseen = images.get(id.replace(/ \w+$/, ' unseen'))!;
      expect(Buffer.from(rgb).equals(unseen.rgb), id).toBe(true);
    }
  });

  test('show both stages, the second one without decoding it', async () => {
    const engine = startEngine();
    const upscale = {
      model: 'tiny-upscale',
      steps: 3,
      guidanceScale: 1,
      noiseLevel: 20,
      sampler: 'ddim',
    } as const;
    const wish = { preview: { every: 2, kind: 'full' } } as const;
    engine.add(sampleOfKind('both', { ...seven, steps: 4 }, { ...onTiny, upscale, ...wish }));
    await engine.images('both');
    expect(previewsOf(engine, 'both')).toEqual([
      '1/7 full 64x64',
      '2/7 full 64x64',
      '5/7 fast 64x64',
      '6/7 fast 64x64',
    ]);
  });

  test('of an enlargement have a pixel for each of the small image', async () => {
    const engine = startEngine();
    const request = { kind: 'upscale', noiseLevel: 20, width: 96, height: 64, steps: 2 } as const;
    const inputs = { image: await colourPng(24, 16) };
    engine.add(
      sampleOfKind('up', request, { model: 'tiny-upscale', inputs, preview: { every: 1, kind: 'fast' } }),
    );
    await engine.images('up');
    expect(previewsOf(engine, 'up')).toEqual(['1/2 fast 24x16']);
  });

  test('that cannot be made cost nothing but themselves', async () => {
    let decodings = 0;
    const engine = startEngine({
      models: breakingFirstDecodings(3, () => decodings++),
    });
    const sample = sampleOfKind(
      'shy',
      { ...seven, steps: 4 },
      { ...onTiny, preview: { every: 1, kind: 'full' } },
    );
    engine.add(sample, { ...sample, id: 'unseen', preview: null });
    const images = await engine.images('shy', 'unseen');
    expect(previewsOf(engine, 'shy')).toEqual([]);
    expect(decodings).toBe(5);
    expect(Buffer.from(images.get('shy')!.rgb).equals(images.get('unseen')!.rgb)).toBe(true);
  });
});

function breakingFirstDecodings(count: number, onDecode: () => number): ModelSource {
  const files = modelFiles(dir);
  return {
    get claimedBytes() {
      return files.claimedBytes;
    },
    get bytesToCome() {
      return files.bytesToCome;
    },
    prepare: async (name) => {
      const prepared = await files.prepare(name);
      return {
        ...prepared,
        open: async () => {
          const model = await prepared.open();
          const decode: typeof model.decode = (...given) =>
            onDecode() < count ? Promise.reject(new Error('no picture today')) : model.decode(...given);
          return { ...model, decode };
        },
      };
    },
  };
}

describe('on the pocket model', () => {
  test('a fast preview has the colours of the image, and the guess of a late step is the image', async () => {
    const model = await (await modelFiles(MODELS_DIR).prepare('pocket-base')).open();
    try {
      const { request } = engineSample('', { steps: 8, sampler: 'dpmpp_2m', width: 128, height: 128 });
      if (request.kind !== 'txt2img') throw new Error('another kind');
      const sample = await startSample(model, request, new TextCache(0));
      while (sample.callsDone < 7) await stepBatch(model, [sample]);
      const guess = await new Previews().full(model, sample);
      while (!isDenoised(sample)) await stepBatch(model, [sample]);
      const image = await new Previews().full(model, { ...sample, newest: null });
      expect(differenceOf(guess.rgb, image.rgb)).toBeLessThan(0.03);

      const fast = colourLatents(await fitColours(model), sample.latents, sample.latentSize);
      const small = resize(image, sample.latentSize, 'bilinear');
      // Measured over six images: 0.06 to 0.1. Colours at random would be off by 0.3.
      expect(differenceOf(fast.rgb, small.rgb)).toBeLessThan(0.13);
    } finally {
      await model.release();
    }
  });
});

/** Root mean square, as a share of the range. */
function differenceOf(a: Uint8Array, b: Uint8Array): number {
  return Math.sqrt(a.reduce((sum, value, i) => sum + (value - b[i]!) ** 2, 0) / a.length) / 255;
}
