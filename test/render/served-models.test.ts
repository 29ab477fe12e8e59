import { expect, test } from 'vitest';
import type { FarmModel } from '../../src/queue/farm-registry.ts';
import { ServedModels } from '../../workers/render/served-models.ts';

const TEN_MINUTES_MS = 600_000;

function farmModel(name: string, refusal: string | null): FarmModel {
  return { name, offer: null, workers: [], refusal };
}

test('a worker serves what it offers, and nothing that only others do', () => {
  const served = new ServedModels(() => [{ name: 'ours' }]);
  served.learn([farmModel('ours', null), farmModel('theirs', null)], 0);
  expect([served.isServed('ours', 0), served.isServed('theirs', TEN_MINUTES_MS)]).toEqual([true, false]);
});

test('jobs of a model that all have refused for ten minutes are taken, so that they end with the reason', () => {
  const served = new ServedModels(() => []);
  served.learn([farmModel('big', 'too big')], 1_000);
  served.learn([farmModel('big', 'too big')], 2_000);
  expect(served.isServed('big', 1_000 + TEN_MINUTES_MS - 1)).toBe(false);
  expect(served.isServed('big', 1_000 + TEN_MINUTES_MS)).toBe(true);
});

test('a worker that can and comes back starts the ten minutes anew', () => {
  const served = new ServedModels(() => []);
  served.learn([farmModel('big', 'too big')], 0);
  served.learn([farmModel('big', null)], 1_000);
  served.learn([farmModel('big', 'too big')], 2_000);
  expect(served.isServed('big', TEN_MINUTES_MS)).toBe(false);
});
