import { afterAll, beforeAll, expect, it } from 'vitest';
import { isTerminal } from '../../src/domain/job-state.ts';
import { makeRenderFarm, type RenderFarm } from '../support/render-farm.ts';

let farm: RenderFarm;

beforeAll(async () => {
  farm = await makeRenderFarm({ KILN_MAX_BATCH_SIZE: '2' });
  await farm.worker.start();
});
afterAll(() => farm.stop());

it('an interactive job runs to its end while the engine is full of bulk and more bulk waits', async () => {
  const long = { priority: 'bulk', steps: 150, sampler: 'ddim' } as const;
  const bulk = await Promise.all(Array.from({ length: 8 }, () => farm.submit(long)));
  const first = bulk[0] ?? { tenant: '', id: '' };
  await farm.when(first, ({ progress }) => progress.step > 0);
  // Of the same lane, then of another whose model is in memory too.
  for (const width of [64, 72]) {
    const urgent = await farm.submit({ priority: 'interactive', steps: 2, width });
    expect(await farm.ended(urgent)).toMatchObject({ state: 'succeeded' });
    const others = await Promise.all(bulk.map((ref) => farm.read(ref)));
    expect(others.filter(({ state }) => isTerminal(state))).toEqual([]);
  }
  await Promise.all(bulk.map((ref) => farm.books.records.cancel(ref)));
});
