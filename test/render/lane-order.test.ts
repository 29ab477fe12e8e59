import { expect, test } from 'vitest';
import { laneModel, laneName } from '../../src/domain/lane.ts';
import { orderLanes, type Warmth } from '../../workers/render/lane-order.ts';

function warmth(facts: { offered: string[]; loaded?: string[]; running?: string[] }): Warmth {
  return {
    offered: new Set(facts.offered),
    loaded: new Set(facts.loaded),
    running: new Set(facts.running),
  };
}

test('a lane whose samples are in the engine goes before one whose model is loaded, and that before a cold one', () => {
  const lanes = ['cold.64x64', 'warm.64x64', 'warm.128x128'];
  const known = warmth({ offered: ['cold', 'warm'], loaded: ['warm'], running: ['warm.128x128'] });
  expect(orderLanes(lanes, known)).toEqual(['warm.128x128', 'warm.64x64', 'cold.64x64']);
});

test('lanes of equal warmth keep the order they came in', () => {
  expect(orderLanes(['b.64x64', 'a.64x64'], warmth({ offered: ['a', 'b'] }))).toEqual(['b.64x64', 'a.64x64']);
});

test('lanes of models that are not on this disk are left to others', () => {
  expect(orderLanes(['theirs.64x64', 'ours.64x64'], warmth({ offered: ['ours'] }))).toEqual(['ours.64x64']);
});

test('the model of a lane is read from its name, whatever dots it has', () => {
  for (const model of ['pocket-base', 'sd-2.1', 'a.64x64']) {
    expect(laneModel(laneName({ model, width: 128, height: 64 }))).toBe(model);
  }
});
