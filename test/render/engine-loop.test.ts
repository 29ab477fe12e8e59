import { cp, mkdtemp, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { decodeSample, isDenoised, startSample, stepBatch } from '../../workers/render/diffusion/denoise.ts';
import type { LoadedModel, UnetInput } from '../../workers/render/diffusion/loaded-model.ts';
import { TextCache } from '../../workers/render/diffusion/text-cache.ts';
import type { ModelSource } from '../../workers/render/engine/model-shelf.ts';
import type { EngineSample } from '../../workers/render/engine/protocol.ts';
import { engineSample, modelFiles, MODELS_DIR, TestEngine, type EngineOptions } from '../support/engine.ts';

const engines: TestEngine[] = [];

function startEngine(options: EngineOptions = {}): TestEngine {
  const engine = new TestEngine(options);
  engines.push(engine);
  return engine;
}

afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.stop()));
});

/** The pocket model with a UNet call that can be made to fail, as a device would. */
function pocketModel(onCall: (input: UnetInput) => void): ModelSource {
  const files = modelFiles(MODELS_DIR);
  return {
    bytesOf: (name) => files.bytesOf(name),
    open: async (name) => {
      const model = await files.open(name);
      const predictNoise: LoadedModel['predictNoise'] = (input) => {
        onCall(input);
        return model.predictNoise(input);
      };
      return { ...model, predictNoise };
    },
  };
}

/** What the sample looks like without any engine. */
async function renderAlone({ request }: EngineSample): Promise<Uint8Array> {
  const model = await modelFiles(MODELS_DIR).open('pocket-base');
  try {
    const sample = await startSample(model, request, new TextCache(0));
    while (!isDenoised(sample)) await stepBatch(model, [sample]);
    const outcome = await decodeSample(model, sample);
    if (outcome.kind === 'failure') throw new Error(outcome.failure.message);
    return outcome.image.rgb;
  } finally {
    await model.release();
  }
}

describe('continuous batching', () => {
  const mixed = [
    engineSample('euler', { steps: 6 }),
    engineSample('ddim', { sampler: 'ddim', prompt: 'a blue cube', seed: 8, steps: 3 }),
    engineSample('pndm', { sampler: 'pndm', negativePrompt: 'night', seed: 9, guidanceScale: 7.5 }),
    engineSample('free', { sampler: 'dpmpp_2m', guidanceScale: 1, seed: 10, steps: 5 }),
    engineSample('karras', { sampler: 'dpmpp_2m_karras', seed: 11, steps: 7 }),
  ];
  const alone = new Map<string, Uint8Array>();

  beforeAll(async () => {
    for (const sample of mixed) alone.set(sample.id, await renderAlone(sample));
  });

  test('samples of any settings that join at any step are the same to the bit as alone', async () => {
    const later = [...mixed];
    const engine = startEngine({
      maxBatchSize: 4,
      onEvent: (event, self) => {
        const next = event.kind === 'stepped' ? later.shift() : undefined;
        if (next !== undefined) self.add(next);
      },
    });
    engine.add(later.shift()!);
    const images = await engine.images(...mixed.map(({ id }) => id));
    for (const { id } of mixed) expect(Buffer.from(images.get(id)!.rgb).equals(alone.get(id)!)).toBe(true);
    expect(Math.max(...engine.all('stepped').map((event) => event.samples.length))).toBe(4);
  });

  test('a sample that is set aside for an interactive one goes on where it was', async () => {
    const bulk = { ...mixed[0]!, priority: 'bulk' as const };
    const quick = { ...mixed[1]!, priority: 'interactive' as const };
    const engine = startEngine({
      maxBatchSize: 1,
      onEvent: (event, self) => {
        if (event.kind === 'stepped' && self.all('stepped').length === 2) self.add(quick);
      },
    });
    engine.add(bulk);
    const images = await engine.images(bulk.id, quick.id);
    const order = engine.all('stepped').map((event) => event.samples[0]!.id);
    expect(order).toEqual([
      ...Array<string>(2).fill(bulk.id),
      ...Array<string>(3).fill(quick.id),
      ...Array<string>(4).fill(bulk.id),
    ]);
    expect(Buffer.from(images.get(bulk.id)!.rgb).equals(alone.get(bulk.id)!)).toBe(true);
  });

  test('the place of a sample that is done is filled at the very next step', async () => {
    const engine = startEngine({ maxBatchSize: 2 });
    engine.add(
      engineSample('a', { steps: 2 }),
      engineSample('b', { steps: 4 }),
      engineSample('c', { steps: 2 }),
    );
    await engine.images('a', 'b', 'c');
    const aboard = engine.all('stepped').map((event) => event.samples.map(({ id }) => id).join(''));
    expect(aboard).toEqual(['ab', 'ab', 'bc', 'bc']);
  });

  test('the average batch counts the company at each of its steps', async () => {
    const engine = startEngine({ maxBatchSize: 2 });
    engine.add(engineSample('short', { steps: 2 }), engineSample('long', { steps: 4 }));
    const images = await engine.images('short', 'long');
    expect([images.get('short')!.averageBatch, images.get('long')!.averageBatch]).toEqual([2, 1.5]);
  });

  test('samples of two sizes never share a call', async () => {
    const engine = startEngine();
    engine.add(engineSample('small'), engineSample('wide', { width: 96 }));
    await engine.images('small', 'wide');
    expect(engine.all('stepped').every((event) => event.samples.length === 1)).toBe(true);
  });

  test('a solo sample rides alone', async () => {
    const engine = startEngine();
    engine.add(engineSample('a'), engineSample('suspect', {}, { solo: true }), engineSample('b'));
    await engine.images('a', 'suspect', 'b');
    const company = engine.all('stepped').filter(({ samples }) => samples.some(({ id }) => id === 'suspect'));
    expect(company.map(({ samples }) => samples.length)).toEqual([1, 1, 1, 1]);
  });

  test('who is aboard is said before each call', async () => {
    const engine = startEngine();
    engine.add(engineSample('a', { steps: 2 }), engineSample('b', { steps: 2 }));
    await engine.images('a', 'b');
    const said = engine.events.flatMap((event) => {
      if (event.kind === 'aboard') return [`${event.doing} ${event.ids.join(' ')}`];
      return event.kind === 'stepped' || event.kind === 'image' ? [event.kind] : [];
    });
    expect(said).toEqual([
      'load a b',
      'prompt a',
      'prompt b',
      'step a b',
      'stepped',
      'step a b',
      'stepped',
      'decode a',
      'image',
      'decode b',
      'image',
    ]);
  });
});

describe('dropped samples', () => {
  test('take part in no further call', async () => {
    const engine = startEngine({
      onEvent: (event, self) => {
        if (event.kind === 'stepped' && self.all('stepped').length === 2)
          self.send({ kind: 'drop', ids: ['gone'] });
      },
    });
    engine.add(engineSample('gone', { steps: 50 }), engineSample('stays'));
    await engine.images('stays');
    expect(engine.stepsOf('gone')).toEqual([1, 2]);
    expect(engine.end('gone')).toBeUndefined();
  });

  test('are not decoded when they are dropped after their last step', async () => {
    const engine = startEngine({
      onEvent: (event, self) => {
        if (event.kind === 'stepped' && event.samples.some(({ id, call }) => id === 'gone' && call === 2)) {
          self.send({ kind: 'drop', ids: ['gone'] });
        }
      },
    });
    engine.add(engineSample('gone', { steps: 2 }), engineSample('stays'));
    await engine.images('stays');
    expect(engine.all('aboard').filter(({ doing }) => doing === 'decode')).toEqual([
      { kind: 'aboard', doing: 'decode', ids: ['stays'] },
    ]);
  });

  test('leave an engine that waits for work', async () => {
    const engine = startEngine();
    engine.add(engineSample('gone', { steps: 50 }));
    engine.send({ kind: 'drop', ids: ['gone'] });
    engine.add(engineSample('next'));
    await engine.images('next');
    expect(engine.stepsOf('gone')).toEqual([]);
  });
});

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

  test('a request that the model cannot take is refused with the reason', async () => {
    const engine = startEngine();
    engine.add(engineSample('odd', { width: 60 }));
    expect(await engine.failure('odd')).toEqual({
      code: 'request_refused',
      message: 'reading the prompt failed: The width is 60, but must be a multiple of 8',
    });
  });

  test('a batch that does not fit into memory goes on in halves', async () => {
    const models = pocketModel(({ rows }) => {
      if (rows > 4) throw new Error('Failed to allocate memory for requested buffer of size 1');
    });
    const samples = ['a', 'b', 'c', 'd'].map((id, n) => engineSample(id, { seed: n }));
    const engine = startEngine({ models });
    engine.add(...samples);
    const images = await engine.images('a', 'b', 'c', 'd');
    expect(new Set(engine.all('stepped').map((event) => event.maxBatchSize))).toEqual(new Set([2]));
    expect(Buffer.from(images.get('d')!.rgb).equals(await renderAlone(samples[3]!))).toBe(true);
  });

  test('an image that does not fit even alone fails as out of memory', async () => {
    const models = pocketModel(() => {
      throw new Error('Failed to allocate memory for requested buffer of size 1');
    });
    const engine = startEngine({ models });
    engine.add(engineSample('a'), engineSample('b'));
    expect((await engine.failure('a')).code).toBe('out_of_memory');
    expect((await engine.failure('b')).code).toBe('out_of_memory');
  });

  test('a batch that fails for another reason is taken apart: only the guilty sample fails', async () => {
    const guilty = engineSample('guilty', { guidanceScale: 1 });
    const models = pocketModel(({ rows }) => {
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
      await cp(join(MODELS_DIR, 'pocket-base'), join(dir, 'second'), { recursive: true });
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
