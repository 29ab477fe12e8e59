import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { OfferCache } from '../../api/offer-cache.ts';
import { FarmRegistry } from '../../src/queue/farm-registry.ts';
import { Keys } from '../../src/queue/keys.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

const MODEL = {
  kinds: ['txt2img'],
  digest: 'd',
  bytes: 1,
  memoryBytes: 1,
  defaultWidth: 64,
  defaultHeight: 64,
};

let redis: TestRedis;
let registry: FarmRegistry;
let now: number;
let cache: OfferCache;

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

beforeEach(async () => {
  now = 0;
  registry = new FarmRegistry(redis.client(), new Keys(redis.prefix()));
  await registry.offerModels([{ name: 'old', ...MODEL }]);
  cache = new OfferCache(registry, () => now);
});

const namesFor = async (name: string): Promise<string[]> =>
  (await cache.models((models) => models.some((model) => model.name === name))).map((model) => model.name);

test('a model that is offered is remembered for a second, then looked up again', async () => {
  expect(await namesFor('old')).toEqual(['old']);
  await registry.offerModels([{ name: 'new', ...MODEL }]);
  now = 999;
  expect(await namesFor('old')).toEqual(['old']);
  now = 1_000;
  expect(await namesFor('old')).toEqual(['new', 'old']);
});

test('a model that is not known yet is looked up at once', async () => {
  expect(await namesFor('new')).toEqual(['old']);
  await registry.offerModels([{ name: 'new', ...MODEL }]);
  expect(await namesFor('new')).toEqual(['new', 'old']);
});
