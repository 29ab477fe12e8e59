import { describe, expect, it } from 'vitest';
import type { JobState } from '../../src/domain/job-state.ts';
import type { JobRef } from '../../src/domain/job.ts';
import { newRef, someResult } from '../support/jobs.ts';
import { FAILURE, queueFixture } from './fixture.ts';

const q = queueFixture();

describe('transitions', () => {
  const ALL: readonly JobState[] = ['queued', 'running', 'succeeded', 'failed', 'cancelled'];
  type Step = {
    name: string;
    run: (ref: JobRef, fence: number) => Promise<unknown>;
    legal: Partial<Record<JobState, JobState>>;
  };
  const steps: Step[] = [
    {
      name: 'claim',
      run: (ref) => q().records.claim(ref, 'w2'),
      legal: { queued: 'running', running: 'running' },
    },
    {
      name: 'commit',
      run: (ref, fence) => q().records.commit(ref, fence, someResult(ref, fence)),
      legal: { running: 'succeeded' },
    },
    {
      name: 'fail',
      run: (ref, fence) => q().records.fail(ref, fence, FAILURE),
      legal: { running: 'failed' },
    },
    { name: 'reject', run: (ref) => q().records.reject(ref, FAILURE), legal: { queued: 'failed' } },
    {
      name: 'handBack',
      run: (ref, fence) => q().records.handBack(ref, fence, 'drain'),
      legal: { running: 'queued' },
    },
    {
      name: 'cancel',
      run: (ref) => q().records.cancel(ref),
      legal: { queued: 'cancelled', running: 'cancelled' },
    },
  ];
  const table = steps.flatMap((step) => ALL.map((from) => ({ ...step, from, to: step.legal[from] })));

  it.each(table.filter(({ to }) => to !== undefined))(
    '$name leads from $from to $to',
    async ({ run, from, to }) => {
      const { ref, fence } = await q().inState(from);
      const historyBefore = await q().records.history(ref);
      const outboxBefore = await q().outboxTypes();
      await run(ref, fence);
      const after = await q().records.read(ref);
      expect(after?.state).toBe(to);
      expect(await q().indexedUnder(ref)).toEqual([':t:default:jobs', `:t:default:jobs:${to}`]);
      const history = await q().records.history(ref);
      expect(history.slice(0, -1)).toEqual(historyBefore);
      expect(history.at(-1)).toMatchObject({ from, to, fence: after?.fence });
      expect(await q().outboxTypes()).toHaveLength(outboxBefore.length + 1);
    },
  );

  it.each(table.filter(({ to }) => to === undefined))(
    '$name changes nothing from $from',
    async ({ run, from }) => {
      const { ref, fence } = await q().inState(from);
      const everything = (): Promise<unknown> =>
        Promise.all([
          q().records.read(ref),
          q().records.history(ref),
          q().outboxTypes(),
          q().indexedUnder(ref),
        ]);
      const before = await everything();
      await run(ref, fence);
      expect(await everything()).toEqual(before);
    },
  );

  it.each(['commit', 'fail', 'handBack'])('%s is stale with an older fence', async (name) => {
    const { ref, fence } = await q().claimed();
    await q().records.claim(ref, 'w2');
    const before = await q().records.read(ref);
    const step = steps.find((candidate) => candidate.name === name);
    expect(await step?.run(ref, fence)).toBe('stale');
    expect(await q().records.read(ref)).toEqual(before);
  });

  it('says missing for a job that is not there, and does not make it', async () => {
    const ref = newRef();
    expect(await q().records.claim(ref, 'w')).toEqual({ kind: 'refused', state: 'missing' });
    expect(await q().records.cancel(ref)).toEqual({ kind: 'missing' });
    expect(await q().records.commit(ref, 1, someResult(ref, 1))).toBe('stale');
    expect(await q().records.fail(ref, 1, FAILURE)).toBe('stale');
    expect(await q().records.handBack(ref, 1, 'drain')).toBe('stale');
    expect(await q().records.reject(ref, FAILURE)).toBe('stale');
    expect(await q().records.read(ref)).toBeUndefined();
    expect(await q().redis.keys(`${q().keys.prefix}:*`)).toEqual([]);
  });

  it('tells the history of a job: who ran it, under which fence, and why it moved', async () => {
    const { ref, fence } = await q().claimed('w1');
    await q().records.handBack(ref, fence, 'engine_crash');
    await q().records.claim(ref, 'w2');
    await q().records.claim(ref, 'w3');
    await q().records.commit(ref, 3, someResult(ref, 3));
    const history = await q().records.history(ref);
    expect(history.map(({ from, to, fence: f, reason, worker }) => [from, to, f, reason, worker])).toEqual([
      [null, 'queued', 0, 'admit', undefined],
      ['queued', 'running', 1, 'claim', 'w1'],
      ['running', 'queued', 1, 'engine_crash', 'w1'],
      ['queued', 'running', 2, 'claim', 'w2'],
      ['running', 'running', 3, 'takeover', 'w3'],
      ['running', 'succeeded', 3, 'commit', 'w3'],
    ]);
    expect(await q().outboxTypes()).toEqual([
      'job.queued',
      'job.started',
      'job.requeued',
      'job.started',
      'job.started',
      'job.succeeded',
    ]);
  });
});
