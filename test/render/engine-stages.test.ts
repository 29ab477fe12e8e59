import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { ModelFiles } from '../../workers/render/engine/model-files.ts';
import { modelFiles, sampleOfKind, TestEngine, type EngineOptions, type EventOf } from '../support/engine.ts';
import { writeTinyModel } from '../support/tiny-models.ts';

const STAGE = { model: 'tiny-upscale', steps: 3, guidanceScale: 6, noiseLevel: 40, sampler: 'ddim' } as const;
const SECOND_LANE = 'tiny-upscale.256x256';

let dir: string;
let models: ModelFiles;
const engines: TestEngine[] = [];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-tiny-'));
  await writeTinyModel(join(dir, 'tiny-base'), 'base');
  await writeTinyModel(join(dir, 'tiny-upscale'), 'upscale');
  models = modelFiles(dir);
});
afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.stop()));
});
afterAll(() => rm(dir, { recursive: true }));

function startEngine(options: EngineOptions = {}): TestEngine {
  const engine = new TestEngine({ models, ...options });
  engines.push(engine);
  return engine;
}

const FIRST = { kind: 'txt2img', negativePrompt: 'night', steps: 4, sampler: 'pndm' } as const;

function twoStages(id: string, seed = 7) {
  return sampleOfKind(id, { ...FIRST, seed }, { model: 'tiny-base', upscale: STAGE });
}

function pngOf({ rgb, width, height }: EventOf<'image'>): Promise<Uint8Array> {
  return sharp(rgb, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}

describe('a sample of two stages', () => {
  test('is to the bit the enlargement that a second job makes of the first one’s image', async () => {
    const engine = startEngine({ maxBatchSize: 1 });
    engine.add(sampleOfKind('small', FIRST, { model: 'tiny-base' }), twoStages('both'));
    const images = await engine.images('small', 'both');
    expect(engine.all('image').map(({ id }) => id)).toEqual(['small', 'both']);
    // Calls are counted over both stages; PNDM makes one more than it has steps.
    const steps = engine
      .all('stepped')
      .flatMap(({ lane, samples }) =>
        samples.filter(({ id }) => id === 'both').map(({ call, calls }) => `${lane} ${call}/${calls}`),
      );
    expect(steps).toEqual([
      ...[1, 2, 3, 4, 5].map((call) => `tiny-base.64x64 ${call}/8`),
      ...[6, 7, 8].map((call) => `${SECOND_LANE} ${call}/8`),
    ]);
    const image = await pngOf(images.get('small')!);
    const { model, ...settings } = STAGE;
    engine.add(
      sampleOfKind(
        'large',
        { kind: 'upscale', negativePrompt: 'night', width: 256, height: 256, ...settings },
        { model, inputs: { image } },
      ),
    );
    const large = (await engine.images('large')).get('large')!;
    const both = images.get('both')!;
    expect([both.width, both.height]).toEqual([256, 256]);
    expect(Buffer.from(both.rgb).equals(large.rgb)).toBe(true);
  });

  test('shares the calls of either stage with others, and averages over all of them', async () => {
    const engine = startEngine({ maxBatchSize: 2 });
    engine.add(twoStages('a'), twoStages('b', 8), sampleOfKind('c', FIRST, { model: 'tiny-base' }));
    const images = await engine.images('a', 'b', 'c');
    const second = engine.all('stepped').filter(({ lane }) => lane === SECOND_LANE);
    expect(second.map(({ samples }) => samples.length)).toEqual([2, 2, 2]);
    expect(images.get('a')!.averageBatch).toBe(2);
  });

  test('that is dropped between its stages is heard of no more', async () => {
    const engine = startEngine({
      onEvent: (event, self) => {
        if (event.kind === 'model' && event.name === 'tiny-upscale')
          self.send({ kind: 'drop', ids: ['gone'] });
      },
    });
    engine.add(twoStages('gone'), sampleOfKind('stays', { ...FIRST, steps: 9 }, { model: 'tiny-base' }));
    await engine.images('stays');
    expect(engine.end('gone')).toBeUndefined();
    expect(engine.all('stepped').every(({ lane }) => lane === 'tiny-base.64x64')).toBe(true);
  });

  test('fails with the reason when its upscaler cannot be loaded', async () => {
    const engine = startEngine();
    const upscale = { ...STAGE, model: 'absent' };
    engine.add(sampleOfKind('both', FIRST, { model: 'tiny-base', upscale }));
    expect(await engine.failure('both')).toEqual({
      code: 'model_broken',
      message: expect.stringContaining('there is no model absent'),
    });
    expect(engine.all('image')).toEqual([]);
  });
});
