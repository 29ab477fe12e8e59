import { expect, it } from 'vitest';
import type { JobRef } from '../../src/domain/job.ts';
import { newBulkId, rowJobId } from '../../src/job-id.ts';
import { BulkFeed } from '../../src/queue/bulk-feed.ts';
import { BulkRecords } from '../../src/queue/bulk-records.ts';
import { readFarmFigures, type FarmFigures } from '../../src/queue/farm-figures.ts';
import { LaneSpeeds } from '../../src/queue/lane-speeds.ts';
import { newRef, someParams, someResult } from '../support/jobs.ts';
import { FAILURE, LANE, queueFixture } from './fixture.ts';

const q = queueFixture();

const figures = (): Promise<FarmFigures> => readFarmFigures(q());

async function waiting(lane = LANE): Promise<JobRef> {
  const ref = newRef();
  await q().records.admit({ ref, params: someParams(), lane });
  await q().lanes.enqueue(ref, lane, 'normal');
  return ref;
}

/** As text, for short expectations. */
function counts(of: FarmFigures['entered']): string[] {
  return of.map(({ state, kind, count }) => `${state} ${kind} ${count}`).toSorted();
}

it('an empty farm has nothing to tell', async () => {
  expect(await figures()).toMatchObject({ entered: [], present: [], lanes: [], backlogSeconds: 0 });
});

it('jobs are counted by state and kind wherever they go', async () => {
  const { records } = q();
  for (const state of ['queued', 'running', 'succeeded', 'failed', 'cancelled'] as const) {
    await q().inState(state);
  }
  const { ref, fence } = await q().claimed();
  await records.handBack(ref, fence, 'drain');
  await records.claim(ref, 'w2');
  await records.claim(ref, 'w3');
  const { entered, present } = await figures();
  expect(counts(entered)).toEqual([
    'cancelled txt2img 1',
    'failed txt2img 1',
    'queued txt2img 7',
    'running txt2img 7',
    'succeeded txt2img 1',
  ]);
  expect(counts(present)).toEqual(['queued txt2img 1', 'running txt2img 2']);
});

it('a call that is sent again counts nothing again', async () => {
  const { records } = q();
  const { ref, fence } = await q().claimed();
  await records.admit({ ref, params: someParams(), lane: LANE });
  await records.commit(ref, fence, someResult(ref, fence));
  await records.commit(ref, fence, someResult(ref, fence));
  await records.fail(ref, fence, FAILURE);
  expect(counts((await figures()).entered)).toEqual([
    'queued txt2img 1',
    'running txt2img 1',
    'succeeded txt2img 1',
  ]);
});

it('the kind is what the job is, whatever its caller wrote elsewhere', async () => {
  const { kind, ...others } = someParams({ metadata: { kind: 'upscale' }, prompt: '{"kind":"depth"}' });
  await q().records.admit({ ref: newRef(), params: { ...others, kind }, lane: LANE });
  expect(counts((await figures()).present)).toEqual(['queued txt2img 1']);
});

it('the backlog is the steps that wait at the speed that devices measured', async () => {
  await waiting();
  const started = await waiting();
  await waiting('other.64x64');
  await new LaneSpeeds(q().redis, q().keys).note(new Map([[LANE, 250]]));
  // 2 images of 4 steps each.
  expect(await figures()).toMatchObject({ backlogSeconds: 4, unmeasuredJobs: 1 });
  await q().records.claim(started, 'w');
  await q().lanes.remove(started, LANE);
  const { lanes, backlogSeconds } = await figures();
  expect(backlogSeconds).toBe(2);
  expect(lanes.find(({ lane }) => lane === LANE)).toMatchObject({ jobs: 1, backlogSeconds: 2 });
  expect(lanes.find(({ lane }) => lane === LANE)?.oldestSeconds).toBeGreaterThanOrEqual(0);
});

it('rows of a bulk count as jobs once they are fed, and as much as one each before', async () => {
  const ref = { tenant: 'default', id: newBulkId() };
  await new BulkRecords(q().redis, q().keys).accept(ref, {
    name: 'prompts.csv',
    rows: 10,
    images: 20,
    rejected: 0,
    priority: 'bulk',
    webhook: null,
  });
  const rows = [0, 1].map((row) => ({ row, params: someParams(), lane: LANE }));
  await new BulkFeed(q().redis, q().keys).feed(ref, rows, { run: 0, priority: 'bulk', window: 100 });
  for (const row of [0, 1]) {
    await q().lanes.enqueue({ tenant: ref.tenant, id: rowJobId({ id: ref.id, row }, 0) }, LANE, 'bulk');
  }
  await new LaneSpeeds(q().redis, q().keys).note(new Map([[LANE, 250]]));
  const { present, bulks, backlogSeconds } = await figures();
  expect(counts(present)).toEqual(['queued txt2img 2']);
  expect(bulks.waitingRows).toBe(8);
  expect(bulks.states.get('running')).toBe(1);
  expect(backlogSeconds).toBe(20);
});
