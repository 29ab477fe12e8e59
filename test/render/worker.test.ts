import { createHash } from 'node:crypto';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { JobRef } from '../../src/domain/job.ts';
import { engineSample, TestEngine } from '../support/engine.ts';
import { makeRenderFarm, type RenderFarm } from '../support/render-farm.ts';

/** Long enough to be caught in the middle. */
const SLOW = { steps: 150 };

let farm: RenderFarm;

beforeAll(async () => {
  farm = await makeRenderFarm();
  await farm.worker.start();
});
afterAll(() => farm.stop());

describe('a job', () => {
  test('becomes stored images that are the same to the bit as those of an engine alone', async () => {
    const ref = await farm.submit({ seeds: [7, 8] });
    const record = await farm.ended(ref);
    expect(record).toMatchObject({ state: 'succeeded', fence: 1, attempts: 0, crashes: 0, failure: null });
    expect(record.progress).toMatchObject({ step: 8, steps: 8 });
    const images = record.result?.images ?? [];
    expect(images.map(({ n, seed, key }) => ({ n, seed, key }))).toEqual([
      { n: 0, seed: 7, key: `default/jobs/${ref.id}/1/0.png` },
      { n: 1, seed: 8, key: `default/jobs/${ref.id}/1/1.png` },
    ]);
    const engine = new TestEngine();
    engine.add(engineSample('a', { seed: 7 }), engineSample('b', { seed: 8 }));
    const alone = await engine.images('a', 'b');
    await engine.stop();
    for (const [index, id] of ['a', 'b'].entries()) {
      const bytes = (await farm.books.store.get(images[index]!.key))!;
      expect(createHash('sha256').update(bytes).digest('hex')).toBe(images[index]!.sha256);
      expect(bytes.length).toBe(images[index]!.bytes);
      expect((await sharp(bytes).raw().toBuffer()).equals(alone.get(id)!.rgb)).toBe(true);
    }
  });

  test('leaves nothing behind in its lane', async () => {
    const ref = await farm.submit();
    await farm.ended(ref);
    const lane = 'pocket-base.64x64';
    while (await farm.books.lanes.has(ref, lane)) await farm.read(ref);
    expect(await farm.books.lanes.depth(lane)).toBe(0);
  });

  test('shares its UNet calls with jobs of other settings', async () => {
    const refs = await Promise.all([
      farm.submit({ steps: 30 }),
      farm.submit({ steps: 25, sampler: 'ddim', seeds: [1, 2] }),
      farm.submit({ steps: 20, guidanceScale: 1 }),
    ]);
    const records = await Promise.all(refs.map((ref) => farm.ended(ref)));
    for (const record of records) expect(record.result!.averageBatch).toBeGreaterThan(1);
  });
});

describe('a job that is cancelled while it runs', () => {
  test('takes part in no further step, and its neighbour finishes', async () => {
    // Large enough that a step takes longer than the news of a cancellation.
    const large = { width: 256, height: 256 };
    const [gone, stays] = await Promise.all([
      farm.submit({ ...large, ...SLOW }),
      farm.submit({ ...large, steps: 15 }),
    ]);
    await farm.when(gone, ({ progress }) => progress.step > 2);
    expect(await farm.books.records.cancel(gone)).toEqual({ kind: 'cancelled' });
    const cancelledAt = Date.now();
    const neighbour = await farm.ended(stays);
    expect(neighbour.state).toBe('succeeded');
    expect((await farm.read(gone)).state).toBe('cancelled');
    // A step that was under way when the worker heard of it may end after the cancellation, but only that one.
    const late = (await stepsOf(gone)).filter((at) => at > cancelledAt);
    expect(late.length).toBeLessThanOrEqual(1);
    expect(await farm.books.store.list(`default/jobs/${gone.id}/`)).toEqual([]);
  });
});

describe('a job for a model that this worker does not have', () => {
  test('is left for others, and holds up nobody', async () => {
    const theirs = await farm.submit({ model: 'elsewhere' });
    const ours = await farm.ended(await farm.submit());
    expect(ours.state).toBe('succeeded');
    expect(await farm.read(theirs)).toMatchObject({ state: 'queued', fence: 0 });
  });
});

/** When steps with the job's samples were reported, milliseconds since the epoch. */
async function stepsOf({ id }: JobRef): Promise<number[]> {
  const lines = (await farm.logOf()).split('\n').filter((line) => line.includes('Engine made a step'));
  const own = lines.filter((line) => line.includes(`"${id}/`));
  return own.map((line) => Number(/"time":(\d+)/.exec(line)?.[1]));
}
