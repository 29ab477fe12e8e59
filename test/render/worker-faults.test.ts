import { cp, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { afterEach, describe, expect, test } from 'vitest';
import type { JobRecord, JobRef } from '../../src/domain/job.ts';
import { MODELS_DIR } from '../support/engine.ts';
import { objectsFolder } from '../support/objects-folder.ts';
import { untilGone } from '../support/processes.ts';
import { makeRenderFarm, type RenderFarm } from '../support/render-farm.ts';

/** Long enough to be caught in the middle. */
const SLOW = { steps: 150 };

const farms: RenderFarm[] = [];

async function startFarm(env: Readonly<Record<string, string>> = {}): Promise<RenderFarm> {
  const farm = await makeRenderFarm(env);
  farms.push(farm);
  await farm.worker.start();
  return farm;
}

afterEach(async () => {
  await Promise.all(farms.splice(0).map((farm) => farm.stop()));
});

const isUnderWay = ({ progress }: JobRecord): boolean => progress.step > 2;
const digests = (record: JobRecord): string[] => record.result?.images.map(({ sha256 }) => sha256) ?? [];

async function reasonsOf(farm: RenderFarm, ref: JobRef): Promise<string[]> {
  return (await farm.books.records.history(ref)).map(({ reason }) => reason);
}

describe('an engine that dies in the middle of a batch', () => {
  test('costs its jobs nothing but time: they run again, alone, to the same images', async () => {
    const farm = await startFarm();
    const settings = [
      { ...SLOW, seeds: [1] },
      { ...SLOW, seeds: [2] },
    ];
    const refs = await Promise.all(settings.map((params) => farm.submit(params)));
    await Promise.all(refs.map((ref) => farm.when(ref, isUnderWay)));
    process.kill(await farm.enginePid(), 'SIGKILL');
    const records = await Promise.all(refs.map((ref) => farm.ended(ref)));
    const again = await Promise.all(settings.map((params) => farm.submit(params)));
    const calm = await Promise.all(again.map((ref) => farm.ended(ref)));
    for (const [index, record] of records.entries()) {
      expect(record).toMatchObject({ state: 'succeeded', fence: 2, attempts: 0, crashes: 1 });
      expect(record.result?.averageBatch).toBe(1);
      expect(digests(record)).toEqual(digests(calm[index]!));
    }
  });

  test('fails the one job that was alone with it twice, and says why', async () => {
    const farm = await startFarm();
    const ref = await farm.submit(SLOW);
    for (const fence of [1, 2]) {
      await farm.when(ref, (record) => record.fence === fence && isUnderWay(record));
      process.kill(await farm.enginePid(), 'SIGKILL');
    }
    const record = await farm.ended(ref);
    expect(record).toMatchObject({ state: 'failed', failure: { code: 'engine_crash' } });
    expect(record.failure?.message).toContain('alone in it, the last time while computing a step');
    expect((await farm.ended(await farm.submit())).state).toBe('succeeded');
  });

  test('is killed by its deadline when it hangs', async () => {
    const farm = await startFarm({ KILN_STEP_DEADLINE_SECONDS: '5' });
    const ref = await farm.submit(SLOW);
    await farm.when(ref, isUnderWay);
    process.kill(await farm.enginePid(), 'SIGSTOP');
    const record = await farm.ended(ref);
    expect(record).toMatchObject({ state: 'succeeded', crashes: 1 });
  });
});

describe('a worker', () => {
  test('hands back at SIGTERM what it cannot finish, without using an attempt', async () => {
    const farm = await startFarm({ KILN_DRAIN_SECONDS: '0' });
    const ref = await farm.submit(SLOW);
    await farm.when(ref, isUnderWay);
    farm.worker.signal('SIGTERM');
    expect(await farm.worker.exited()).toEqual({ code: 0, signal: null });
    expect(await farm.read(ref)).toMatchObject({ state: 'queued', attempts: 0, crashes: 0, worker: null });
    expect(await reasonsOf(farm, ref)).toContain('drain');
    await farm.worker.start();
    expect((await farm.ended(ref)).state).toBe('succeeded');
  });

  test('finishes at SIGTERM what it can', async () => {
    const farm = await startFarm();
    const ref = await farm.submit({ ...SLOW, steps: 100 });
    await farm.when(ref, isUnderWay);
    farm.worker.signal('SIGTERM');
    expect(await farm.worker.exited()).toEqual({ code: 0, signal: null });
    expect(await farm.read(ref)).toMatchObject({ state: 'succeeded', fence: 1 });
  });

  test('that is killed takes its engine with it, and its next life takes up its jobs at once', async () => {
    const farm = await startFarm({ KILN_LOCK_SECONDS: '600' });
    const ref = await farm.submit(SLOW);
    await farm.when(ref, isUnderWay);
    const engine = await farm.enginePid();
    farm.worker.signal('SIGKILL');
    expect(await untilGone(engine, 10_000)).not.toBeNull();
    await farm.worker.start();
    const record = await farm.ended(ref);
    expect(record).toMatchObject({ state: 'succeeded', fence: 2, attempts: 0, crashes: 0 });
  });

  test('goes on while Redis is away, and commits when it is back', async () => {
    const farm = await startFarm();
    const ref = await farm.submit({ ...SLOW, steps: 100 });
    await farm.when(ref, isUnderWay);
    await farm.redis.kill('SIGKILL');
    const keys = (): Promise<string[]> => farm.books.store.list(`default/jobs/${ref.id}/`);
    while ((await keys()).length === 0) await new Promise(setImmediate);
    await farm.redis.restart();
    expect(await farm.ended(ref)).toMatchObject({ state: 'succeeded', fence: 1 });
  });
});

describe('a model that breaks after it was offered', () => {
  test('fails its jobs with the reason and harms no other', async () => {
    const models = await mkdtemp(join(tmpdir(), 'kiln-models-'));
    try {
      await cp(join(MODELS_DIR, 'pocket-base'), join(models, 'fragile'), { recursive: true });
      const farm = await startFarm({ KILN_MODELS_DIR: models });
      await truncate(join(models, 'fragile', 'unet', 'diffusion_pytorch_model.safetensors'), 1_000_000);
      const [bad, good] = await Promise.all([farm.submit({ model: 'fragile' }), farm.submit()]);
      const failed = await farm.ended(bad);
      expect(failed).toMatchObject({ state: 'failed', failure: { code: 'model_broken' }, attempts: 0 });
      expect(failed.failure?.message).toContain('diffusion_pytorch_model.safetensors');
      expect((await farm.ended(good)).state).toBe('succeeded');
    } finally {
      await rm(models, { recursive: true });
    }
  });
});

describe('a store that cannot be written to', () => {
  test('has a job tried again, which succeeds when the store is well', async () => {
    const farm = await startFarm();
    // A file where the folder of the objects should be fails every write, also for root.
    await writeFile(objectsFolder(farm.config), '');
    const ref = await farm.submit();
    await farm.when(ref, ({ attempts }) => attempts === 1);
    await rm(objectsFolder(farm.config));
    expect(await farm.ended(ref)).toMatchObject({ state: 'succeeded', failure: null });
  });
});
