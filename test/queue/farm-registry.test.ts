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
  models: ['pocket-base'],
  runningSamples: 2,
  slots: 4,
  stepMs: null,
  startedAt: 1,
  seenAt: 2,
};
const model = {
  name: 'pocket-base',
  kinds: ['txt2img'],
  digest: 'sha256:0',
  bytes: 10,
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

it('offers the models of all workers, the newest version of each', async () => {
  const [one, two] = [registry(), registry()];
  expect(await one.models()).toEqual([]);
  await one.offerModels([model, { ...model, name: 'a-model' }]);
  await two.offerModels([{ ...model, digest: 'sha256:1' }]);
  expect(await one.models()).toEqual([
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
  await farm.announce(worker);
  expect(await farm.models()).toEqual([model]);
});

it('has one secret for all, made once', async () => {
  const secrets = await Promise.all(Array.from({ length: 10 }, () => registry().linkSecret()));
  expect(new Set(secrets.map((secret) => secret.toString('hex'))).size).toBe(1);
  expect(secrets[0]).toHaveLength(32);
});
