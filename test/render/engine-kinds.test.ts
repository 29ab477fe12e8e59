import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { EngineEvent } from '../../workers/render/engine/protocol.ts';
import type { EngineSample, SampleInputs } from '../../workers/render/engine/sample-message.ts';
import { modelFiles, renderAlone, sampleOfKind, TestEngine } from '../support/engine.ts';
import { colourPng, maskPng } from '../support/pictures.ts';
import { writeTinyModels } from '../support/tiny-models.ts';

let dir: string;
/** One for all tests: it loads each model once, and every sample has an id of its own. */
let engine: TestEngine;
let picture: Uint8Array;
let mask: Uint8Array;
let small: Uint8Array;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-tiny-'));
  await writeTinyModels(dir);
  [picture, mask, small] = await Promise.all([colourPng(80, 72), maskPng(80, 72), colourPng(24, 16)]);
  engine = new TestEngine({ models: modelFiles(dir) });
});
afterAll(async () => {
  await engine.stop();
  await rm(dir, { recursive: true });
});

/** One of each that the model can do; the same seeds everywhere. */
function samplesOf(kind: 'base' | 'depth' | 'inpaint' | 'upscale'): EngineSample[] {
  const rest = (inputs: SampleInputs): { model: string; inputs: SampleInputs } => ({
    model: `tiny-${kind}`,
    inputs,
  });
  const inpaint = { kind: 'inpaint', strength: 0.75, overlay: true, cropPadding: null } as const;
  switch (kind) {
    case 'base':
      return [
        sampleOfKind('new', { kind: 'txt2img', sampler: 'dpmpp_2m' }, rest({})),
        sampleOfKind('changed', { kind: 'img2img', strength: 0.5, steps: 8 }, rest({ image: picture })),
        sampleOfKind('blended', { ...inpaint, guidanceScale: 1 }, rest({ image: picture, mask })),
        sampleOfKind('cropped', { ...inpaint, cropPadding: 8 }, rest({ image: picture, mask })),
      ];
    case 'depth':
      return [
        sampleOfKind('seen', { kind: 'depth', strength: 0.8, steps: 5 }, rest({ image: picture })),
        sampleOfKind('told', { kind: 'depth', strength: 1 }, rest({ image: picture, depthMap: mask })),
      ];
    case 'inpaint':
      return [
        sampleOfKind('part', { ...inpaint, strength: 1, overlay: false }, rest({ image: picture, mask })),
        sampleOfKind('weak', { ...inpaint, sampler: 'ddim', eta: 0.5 }, rest({ image: picture, mask })),
      ];
    case 'upscale': {
      const size = { width: 96, height: 64 };
      return [
        sampleOfKind('calm', { kind: 'upscale', noiseLevel: 20, ...size }, rest({ image: small })),
        sampleOfKind('noisy', { kind: 'upscale', noiseLevel: 300, ...size }, rest({ image: small })),
      ];
    }
  }
}

function eventsOf(id: string): EngineEvent[] {
  return engine.events.filter((event) => 'id' in event && event.id === id);
}

describe('samples of all kinds', () => {
  test.each(['base', 'depth', 'inpaint', 'upscale'] as const)(
    'of one model (%s) share UNet calls, and are the same to the bit as alone',
    async (kind) => {
      const samples = samplesOf(kind);
      engine.add(...samples);
      const together = await engine.images(...samples.map(({ id }) => id));
      const pixels = new Set<string>();
      for (const sample of samples) {
        const id = `${sample.id} alone`;
        engine.add({ ...sample, id });
        const alone = (await engine.images(id)).get(id)!;
        const image = together.get(sample.id)!;
        expect([image.averageBatch > 1, alone.averageBatch]).toEqual([true, 1]);
        expect(Buffer.from(image.rgb).equals(alone.rgb), sample.id).toBe(true);
        pixels.add(Buffer.from(alone.rgb).toString('latin1'));
      }
      expect(pixels.size).toBe(samples.length);
    },
  );

  test('are the same as without any engine', async () => {
    const changed = { ...samplesOf('base')[1]!, id: 'engine' };
    engine.add(changed);
    const image = (await engine.images('engine')).get('engine')!;
    expect(Buffer.from(image.rgb).equals(await renderAlone(changed, modelFiles(dir)))).toBe(true);
  });

  test('take the calls that their strength leaves', async () => {
    engine.add({ ...samplesOf('base')[1]!, id: 'half of 8' });
    await engine.images('half of 8');
    expect(engine.stepsOf('half of 8')).toEqual([1, 2, 3, 4]);
  });

  test('have the size that their kind gives them', async () => {
    const [, image, , cropped] = samplesOf('base');
    const [enlarged] = samplesOf('upscale');
    const ids = ['size 1', 'size 2', 'size 3'];
    engine.add(...[image!, cropped!, enlarged!].map((sample, i) => ({ ...sample, id: ids[i]! })));
    const sizes = [...(await engine.images(...ids)).values()].map(({ width, height }) => [width, height]);
    expect(sizes).toEqual([
      [64, 64],
      [80, 72],
      [96, 64],
    ]);
  });

  test('say that they read their input before they do, and then that they start', async () => {
    engine.add({ ...samplesOf('inpaint')[0]!, id: 'said' });
    await engine.images('said');
    const aboard = engine.all('aboard').filter(({ ids }) => ids.includes('said'));
    expect(aboard.map(({ doing, model }) => `${doing} ${model}`)).toEqual([
      'input tiny-inpaint',
      'start tiny-inpaint',
      ...Array<string>(4).fill('step tiny-inpaint'),
      'decode tiny-inpaint',
    ]);
  });

  test('that cannot be read are refused with the reason, and no other', async () => {
    const inputs = { image: picture.subarray(0, 300) };
    const bad = sampleOfKind('bad', { kind: 'img2img', strength: 0.5 }, { model: 'tiny-base', inputs });
    engine.add(bad, { ...samplesOf('base')[0]!, id: 'good' });
    expect(await engine.failure('bad')).toEqual({
      code: 'request_refused',
      message: expect.stringMatching(/^reading the input image failed: The job's image cannot be read: ./),
    });
    await engine.images('good');
  });

  test('that ask a model for what it cannot do are refused with the reason', async () => {
    engine.add(sampleOfKind('misled', { kind: 'txt2img' }, { model: 'tiny-upscale' }));
    expect((await engine.failure('misled')).code).toBe('request_refused');
  });
});

describe('a depth map', () => {
  test('is shown once, before the image, by the sample that was asked for it', async () => {
    const [seen] = samplesOf('depth');
    engine.add({ ...seen!, id: 'shows', wantsDepthMap: true }, { ...seen!, id: 'other' });
    await engine.images('shows', 'other');
    expect(eventsOf('shows').map(({ kind }) => kind)).toEqual(['depth_map', 'image']);
    const [map, ...more] = engine.all('depth_map');
    expect(more).toEqual([]);
    expect(map).toMatchObject({ id: 'shows', width: 64, height: 64 });
    expect(map!.grey16).toHaveLength(64 * 64);
    expect([Math.min(...map!.grey16), Math.max(...map!.grey16)]).toEqual([0, 65_535]);
  });
});
