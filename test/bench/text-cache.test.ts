import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { replay } from '../../bench/text-cache/replay.ts';
import { bulk, catalogue, scene } from '../../bench/text-cache/text-loads.ts';
import { packageRoot } from '../../src/paths.ts';
import { loadModel } from '../../workers/render/onnx/load-model.ts';

describe('a load of texts', () => {
  it('has a prompt of its own for each number', () => {
    const scenes = Array.from({ length: 8_192 }, (_, number) => scene(number));
    expect(new Set(scenes).size).toBe(scenes.length);
    expect(() => scene(8_192)).toThrow('scene 8192 is not one of 8192');
  });

  it('renders all images of a prompt one after another in a bulk', () => {
    const [first, second] = [scene(0), scene(1)];
    const prompts = bulk({ prompts: 2, imagesEach: 3, negativePrompt: 'night' }).map(({ prompt }) => prompt);
    expect(prompts).toEqual([first, first, first, second, second, second]);
  });

  it('asks for the n-th most popular prompt of a catalogue 1/n as often as for the first', () => {
    const shape = { seed: 3, prompts: 50, images: 20_000, negativePrompt: '' };
    const load = catalogue(shape);
    const times = (number: number): number => load.filter(({ prompt }) => prompt === scene(number)).length;
    expect(times(0) / times(1)).toBeCloseTo(2, 0);
    expect(times(0) / times(9)).toBeCloseTo(10, -1);
    expect(new Set(load.map(({ prompt }) => prompt)).size).toBe(50);
    expect(catalogue(shape)).toEqual(load);
  });

  it('hits a cache that has room for every text but the first time, and one without room never', async () => {
    const model = await loadModel(join(packageRoot(), 'models', 'pocket-base'), {
      device: { kind: 'cpu' },
      profile: 'lean',
    });
    onTestFinished(() => model.release());
    const load = bulk({ prompts: 3, imagesEach: 4, negativePrompt: 'night' });
    const [roomy, none] = await replay(model, load, [2 ** 20, 0]);
    expect(roomy).toMatchObject({ lookups: 24, hits: 20 });
    expect(none).toMatchObject({ lookups: 24, hits: 0 });
  });
});
