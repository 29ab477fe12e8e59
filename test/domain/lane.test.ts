import { expect, test } from 'vitest';
import { laneModels, laneName } from '../../src/domain/lane.ts';

test('the models of a lane are read from its name, whatever dots they have', () => {
  const size = { width: 128, height: 64 };
  for (const model of ['pocket-base', 'sd-2.1', 'a.64x64']) {
    expect(laneModels(laneName({ model, ...size }))).toEqual([model]);
    expect(laneModels(laneName({ model, ...size, upscale: null }))).toEqual([model]);
    expect(laneModels(laneName({ model, ...size, upscale: { model: 'x4.8x8' } }))).toEqual([model, 'x4.8x8']);
  }
});
