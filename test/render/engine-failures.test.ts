import { cp, mkdtemp, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { LoadedModel, UnetInput } from '../../workers/render/diffusion/loaded-model.ts';
import type { ModelSource } from '../../workers/render/engine/model-shelf.ts';
import {
  engineSample,
  modelFiles,
  MODELS_DIR,
  renderAlone,
  TestEngine,
  type EngineOptions,
} from '../support/engine.ts';
import { writeTinyModel } from '../support/tiny-models.ts';

const engines: TestEngine[] = [];

function startEngine(options: EngineOptions = {}): TestEngine {
  const engine = new TestEngine(options);
  engines.push(engine);
  return engine;
}

afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.stop()));
});

/** The pocket model with calls that can be made to fail, as a device would. */
function pocketModel(change: (model: LoadedModel) => Partial<LoadedModel>): ModelSource {
  const files = modelFiles(MODELS_DIR);
  return {
    get claimedBytes() {
      return files.claimedBytes;
    },
    get bytesToCome() {
      return files.bytesToCome;
    },
    prepare: async (name) => {
      const prepared = await files.prepare('pocket-base');
      return {
        ...prepared,
        open: async () => {
          const model = await prepared.open();
          return { ...model, name, ...change(model) };
        },
      };
    },
  };
}

function beforeUnet(onCall: (input: UnetInput) => void): ModelSource {
  return pocketModel((model) => ({
    predictNoise: (input) => {
      onCall(input);
      return model.predictNoise(input);
    },
  }));
}

const FULL = 'Failed to allocate memory for requested buffer of size 1';

/** Numbers overflow in every call with more rows than this. */
function overflowsAbove(rows: number): ModelSource {
  return pocketModel((model) => ({
    predictNoise: async (input) => {
      const output = await model.predictNoise(input);
      return input.rows > rows ? output.map((value, i) => (i === 0 ? NaN : value)) : output;
    },
  }));
}

describe('failures', () => {
  test('numbers that overflow fail their own sample with advice, and no other', async () => {
    const calm = engineSample('calm');
    const engine = startEngine();
    engine.add(engineSample('wild', { guidanceScale: 3e38 }), calm);
    const images = await engine.images('calm');
    const failure = await engine.failure('wild');
    expect(failure.code).toBe('numeric_failure');
    expect(failure.message).toMatch(/not finite at call \d of 4; another seed.* may avoid it/);
    expect(Buffer.from(images.get('calm')!.rgb).equals(await renderAlone(calm))).toBe(true);
  });

  test('numbers that overflow are computed once more, alone, before the sample fails', async () => {
    const engine = startEngine();
    engine.add(engineSample('wild', { guidanceScale: 3e38 }), engineSample('calm', { steps: 6 }));
    await engine.images('calm');
    const company = engine
      .all('stepped')
      .filter(({ samples }) => samples.some(({ id }) => id === 'wild'))
      .map(({ samples }) => samples.length);
    expect(company.slice(-2)).toEqual([2, 1]);
    expect(engine.stepsOf('calm')).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test('numbers that overflow in company only cost a call each time, and no image', async () => {
    const samples = [engineSample('a'), engineSample('b', { seed: 8 })];
    const engine = startEngine({ models: overflowsAbove(2) });
    engine.add(...samples);
    const images = await engine.images('a', 'b');
    expect([engine.stepsOf('a'), engine.stepsOf('b')]).toEqual([
      [0, 1, 1, 2, 2, 3, 3, 4],
      [1, 2, 3, 4],
    ]);
    for (const sample of samples) {
      expect(Buffer.from(images.get(sample.id)!.rgb).equals(await renderAlone(sample))).toBe(true);
    }
  });

  test('an image whose decoding overflows is decoded once more before it fails', async () => {
    let decodings = 0;
    const models = pocketModel((model) => ({
      decode: async (...latents) => {
        const planes = await model.decode(...latents);
        decodings += 1;
        return decodings === 2 ? planes : planes.fill(NaN);
      },
    }));
    const engine = startEngine({ models });
    engine.add(engineSample('lucky'));
    await engine.images('lucky');
    engine.add(engineSample('unlucky'));
    expect(await engine.failure('unlucky')).toMatchObject({ code: 'numeric_failure' });
    expect(decodings).toBe(4);
  });

  test('a request that the model cannot take is refused with the reason', async () => {
    const engine = startEngine();
    engine.add(engineSample('odd', { width: 60 }));
    expect(await engine.failure('odd')).toEqual({
      code: 'request_refused',
      message: 'preparing the image failed: The width is 60, but must be a multiple of 8',
    });
  });

  test('a batch that does not fit into memory goes on in halves', async () => {
    const models = beforeUnet(({ rows }) => {
      if (rows > 4) throw new Error(FULL);
    });
    const samples = ['a', 'b', 'c', 'd'].map((id, n) => engineSample(id, { seed: n }));
    const engine = startEngine({ models });
    engine.add(...samples);
    const images = await engine.images('a', 'b', 'c', 'd');
    expect(new Set(engine.all('stepped').map((event) => event.maxBatchSize))).toEqual(new Set([2]));
    expect(Buffer.from(images.get('d')!.rgb).equals(await renderAlone(samples[3]!))).toBe(true);
  });

  test('an image that does not fit even alone fails as out of memory', async () => {
    const models = beforeUnet(() => {
      throw new Error(FULL);
    });
    const engine = startEngine({ models });
    engine.add(engineSample('a'), engineSample('b'));
    expect((await engine.failure('a')).code).toBe('out_of_memory');
    expect((await engine.failure('b')).code).toBe('out_of_memory');
  });

  test.each(['encodeText', 'predictNoise', 'decode'] as const)(
    'what does not fit into memory (%s) is done once the models that lie idle are gone',
    async (call) => {
      let loaded = 0;
      const models = pocketModel((model) => {
        loaded += 1;
        const refuseSecond = (): void => {
          if (loaded > 1) throw new Error(FULL);
        };
        return {
          encodeText: (...input) => {
            if (call === 'encodeText') refuseSecond();
            return model.encodeText(...input);
          },
          predictNoise: (input) => {
            if (call === 'predictNoise') refuseSecond();
            return model.predictNoise(input);
          },
          decode: (...input) => {
            if (call === 'decode') refuseSecond();
            return model.decode(...input);
          },
          release: () => {
            loaded -= 1;
            return model.release();
          },
        };
      });
      const engine = startEngine({ models });
      engine.add(engineSample('a'));
      await engine.images('a');
      engine.add(engineSample('b', { prompt: 'a blue cube' }, { model: 'second' }));
      await engine.images('b');
      expect(engine.all('model').map(({ name, state }) => `${name} ${state}`)).toEqual([
        'pocket-base loading',
        'pocket-base ready',
        'second loading',
        'second ready',
        'pocket-base released',
      ]);
    },
  );

  test('a batch that fails for another reason is taken apart: only the guilty sample fails', async () => {
    const guilty = engineSample('guilty', { guidanceScale: 1 });
    const models = beforeUnet(({ rows }) => {
      if (rows % 2 === 1) throw new Error('a kernel refused its input');
    });
    const engine = startEngine({ models });
    engine.add(engineSample('a'), guilty, engineSample('b'));
    await engine.images('a', 'b');
    expect(await engine.failure('guilty')).toEqual({
      code: 'render_failed',
      message: 'computing a step failed: a kernel refused its input',
    });
  });
});

describe('models', () => {
  test('are loaded when their first sample comes, and stay', async () => {
    const engine = startEngine();
    engine.add(engineSample('a'));
    await engine.images('a');
    engine.add(engineSample('b'));
    await engine.images('b');
    expect(engine.all('model').map(({ name, state }) => `${name} ${state}`)).toEqual([
      'pocket-base loading',
      'pocket-base ready',
    ]);
  });

  test('that are broken fail their samples with the reason and harm no other', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'kiln-models-'));
    try {
      await cp(join(MODELS_DIR, 'pocket-base'), join(dir, 'broken'), { recursive: true });
      await truncate(join(dir, 'broken', 'unet', 'diffusion_pytorch_model.safetensors'), 1_000_000);
      const engine = startEngine({ models: modelFiles(MODELS_DIR, dir) });
      engine.add(engineSample('bad', {}, { model: 'broken', lane: 'broken.64x64' }), engineSample('good'));
      await engine.images('good');
      const failure = await engine.failure('bad');
      expect(failure.code).toBe('model_broken');
      expect(failure.message).toMatch(
        /loading the model failed: .*broken.unet.diffusion_pytorch_model\.safetensors/,
      );
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  test('that are not there fail their samples by name', async () => {
    const engine = startEngine();
    engine.add(engineSample('a', {}, { model: 'absent' }));
    expect((await engine.failure('a')).message).toContain('there is no model absent in ');
  });

  test('that were used least recently leave when another needs the room', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'kiln-models-'));
    try {
      await writeTinyModel(join(dir, 'second'), 'base', 2);
      const engine = startEngine({
        models: modelFiles(MODELS_DIR, dir),
        freeBytes: () => Promise.resolve(0),
      });
      engine.add(engineSample('a'));
      await engine.images('a');
      engine.add(engineSample('b', {}, { model: 'second', lane: 'second.64x64' }));
      await engine.images('b');
      expect(engine.all('model').map(({ name, state }) => `${name} ${state}`)).toEqual([
        'pocket-base loading',
        'pocket-base ready',
        'second loading',
        'pocket-base released',
        'second ready',
      ]);
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});
