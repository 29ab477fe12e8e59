import { expect, it } from 'vitest';
import { FarmRegistry, type WorkerStatus } from '../../src/queue/farm-registry.ts';
import { queueFixture } from './fixture.ts';

const q = queueFixture();

const worker: WorkerStatus = {
  id: 'host-1',
  host: 'host',
  pid: 1,
  device: 'cpu',
  state: 'ready',
  engine: 'ready',
  models: [{ name: 'pocket-base', state: 'ready', reason: null }],
  runningSamples: 2,
  slots: 4,
  stepMs: null,
  busyShare: 0.5,
  startedAt: 1,
  seenAt: 2,
};
const model = {
  name: 'pocket-base',
  kinds: ['txt2img'],
  digest: 'sha256:0',
  bytes: 10,
  memoryBytes: 20,
  defaultWidth: 64,
  defaultHeight: 64,
};

function registry(): FarmRegistry {
  return new FarmRegistry(q().redis, q().keys);
}

it('lists workers by id, as they last announced themselves', async () => {
  const farm = registry();
  expect(await farm.workers()).toEqual([]);
  await farm.announce({ ...worker, id: 'host-2', stepMs: 12.5 });
  await farm.announce({ ...worker, state: 'starting' });
  await farm.announce(worker);
  expect(await farm.workers()).toEqual([worker, { ...worker, id: 'host-2', stepMs: 12.5 }]);
});

it('forgets a worker that withdraws or is silent for 15 s', async () => {
  const farm = registry();
  await farm.announce(worker);
  await farm.announce({ ...worker, id: 'silent' });
  const ttl = await q().redis.pttl(q().keys.worker('silent'));
  expect(ttl).toBeGreaterThan(10_000);
  expect(ttl).toBeLessThanOrEqual(15_000);
  await q().redis.del(q().keys.worker('silent'));
  expect(await farm.workers()).toEqual([worker]);
  await farm.withdraw(worker.id);
  expect(await farm.workers()).toEqual([]);
  expect(await q().redis.exists(q().keys.workers)).toBe(0);
});

const offersOf = async (farm: FarmRegistry): Promise<unknown[]> =>
  (await farm.models()).map(({ offer }) => offer);

it('offers the models of all workers, the newest version of each', async () => {
  const [one, two] = [registry(), registry()];
  expect(await one.models()).toEqual([]);
  await one.offerModels([model, { ...model, name: 'a-model' }]);
  await two.offerModels([{ ...model, digest: 'sha256:1' }]);
  expect(await offersOf(one)).toEqual([
    { ...model, name: 'a-model' },
    { ...model, digest: 'sha256:1' },
  ]);
});

it('stops to offer a model that no worker has announced for a day', async () => {
  const farm = registry();
  await farm.offerModels([model]);
  const longAgo = Date.now() - 25 * 3_600_000;
  await q().redis.hset(q().keys.models, model.name, JSON.stringify({ ...model, offeredAt: longAgo }));
  expect(await farm.models()).toEqual([]);
  await farm.announce({ ...worker, models: [] });
  expect(await offersOf(farm)).toEqual([model]);
});

it('knows a model as refused when every worker alive that has it refuses it', async () => {
  const farm = registry();
  await farm.offerModels([model]);
  const refused = { name: model.name, state: 'refused', reason: 'too big' } as const;
  await farm.announce({ ...worker, models: [refused] });
  expect(await farm.models()).toEqual([
    { name: model.name, offer: model, workers: [{ ...refused, worker: worker.id }], refusal: 'too big' },
  ]);
  await farm.announce({ ...worker, id: 'host-2' });
  expect((await farm.models())[0]?.refusal).toBeNull();
});

it('lists a model that no worker could read, with the reason', async () => {
  const farm = registry();
  await farm.announce({ ...worker, models: [{ name: 'broken', state: 'refused', reason: 'no config' }] });
  expect(await farm.models()).toMatchObject([{ name: 'broken', offer: null, refusal: 'no config' }]);
});

it('has one secret for all, made once', async () => {
  const secrets = await Promise.all(Array.from({ length: 10 }, () => registry().linkSecret()));
  expect(new Set(secrets.map((secret) => secret.toString('hex'))).size).toBe(1);
  expect(secrets[0]).toHaveLength(32);
});
