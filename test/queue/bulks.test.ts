import { describe, expect, it } from 'vitest';
import { endedRows } from '../../src/domain/bulk.ts';
import { FACTS, bulkFixture } from './bulk-fixture.ts';
import { FAILURE } from './fixture.ts';
import { someParams, someResult } from '../support/jobs.ts';

const { q, bulks, feed, accepted, read, fed, running, succeeded, failed, window } = bulkFixture();

describe('a bulk', () => {
  it('is accepted once, and is the newest in the list', async () => {
    const first = await accepted();
    const second = await accepted({ name: 'more.csv' });
    await bulks().accept(first, { ...FACTS, rows: 99 });
    expect(await read(first)).toMatchObject({
      ...FACTS,
      state: 'accepted',
      run: 0,
      counts: { waiting: 5, queued: 0, running: 0, succeeded: 0, failed: 0, cancelled: 0 },
      startedAt: null,
      finishedAt: null,
    });
    const page = await bulks().list('default', { limit: 1 });
    expect(page.bulks.map(({ id }) => id)).toEqual([second.id]);
    const rest = await bulks().list('default', { limit: 5, cursor: page.cursor ?? '' });
    expect(rest).toMatchObject({ bulks: [{ id: first.id }], cursor: null });
    expect(await feed().open()).toEqual([first, second].toSorted((a, b) => (a.id < b.id ? -1 : 1)));
  });

  it('without rows is refused', async () => {
    await expect(accepted({ rows: 0 })).rejects.toThrow('a bulk of 0 rows');
  });

  it('counts each row where its job is, from the first fed to the last ended', async () => {
    const ref = await accepted();
    await succeeded(ref, 0);
    await failed(ref, 1);
    const { job, fence } = await running(ref, 2);
    await fed(ref, [3]);
    expect(await read(ref)).toMatchObject({
      state: 'running',
      counts: { waiting: 1, queued: 1, running: 1, succeeded: 1, failed: 1, cancelled: 0 },
      finishedAt: null,
    });
    await q().records.handBack(job, fence, 'drain');
    expect((await read(ref)).counts).toMatchObject({ queued: 2, running: 0 });
    const [again] = await fed(ref, [2]);
    const claim = await q().records.claim(job, 'w');
    if (claim.kind !== 'claimed') throw new Error('the claim was refused');
    await q().records.commit(job, claim.fence, someResult(job, claim.fence));
    const [three] = await fed(ref, [3]);
    await q().records.cancel({ tenant: ref.tenant, id: three?.job ?? '' });
    expect(again?.job).toBe(job.id);
    await succeeded(ref, 4);
    const bulk = await read(ref);
    expect(bulk).toMatchObject({
      state: 'completed',
      counts: { waiting: 0, queued: 0, running: 0, succeeded: 3, failed: 1, cancelled: 1 },
    });
    expect(bulk.finishedAt).not.toBeNull();
    expect(endedRows(bulk.counts)).toBe(5);
    expect((await q().outboxTypes()).filter((type) => type === 'bulk.completed')).toHaveLength(1);
    expect(await q().redis.hlen(q().keys.windows('default'))).toBe(0);
  });

  it('makes one job of a row, however often and by whomever it is fed', async () => {
    const ref = await accepted();
    const answers = await Promise.all([fed(ref, [0, 1]), fed(ref, [1, 0]), fed(ref, [0])]);
    expect(new Set(answers.flat().map(({ job }) => job)).size).toBe(2);
    expect((await read(ref)).counts).toMatchObject({ waiting: 3, queued: 2 });
    const types = await q().outboxTypes();
    expect(types.filter((type) => type === 'job.queued')).toHaveLength(2);
  });

  it('feeds no more rows than the window of the lane holds, over all bulks of the tenant', async () => {
    const [one, other] = [await accepted(), await accepted()];
    expect((await fed(one, [0, 1], 3)).map(({ state }) => state)).toEqual(['queued', 'queued']);
    expect((await fed(other, [0, 1], 3)).map(({ state }) => state)).toEqual(['queued', 'full']);
    await running(one, 0);
    expect((await fed(other, [1], 3)).map(({ state }) => state)).toEqual(['queued']);
    expect(await window()).toBe('3');
  });

  it('knows where to go on feeding from its bits alone', async () => {
    const ref = await accepted({ rows: 2_500 });
    expect(await feed().nextUnfed(ref, 2_500, 0)).toBe(0);
    expect(await feed().nextUnfed(ref, 2_500, 1)).toBe(1);
    const rows = Array.from({ length: 1_000 }, (_, n) => n);
    await fed(ref, rows, 10_000);
    expect(await feed().nextUnfed(ref, 2_500, 0)).toBe(1);
    await fed(
      ref,
      rows.map((row) => row + 1_000),
      10_000,
    );
    await fed(
      ref,
      rows.slice(0, 499).map((row) => row + 2_000),
      10_000,
    );
    expect(await feed().nextUnfed(ref, 2_500, 0)).toBe(2);
    const isFed = await feed().bits(ref, 'fed', 2);
    expect([isFed(0), isFed(498), isFed(499), isFed(500)]).toEqual([true, true, false, false]);
    await fed(ref, [2_499], 10_000);
    expect(await feed().nextUnfed(ref, 2_500, 0)).toBeUndefined();
  });
});

describe('a row that ended', () => {
  it('leaves its outcome until the store has it, and is in no index', async () => {
    const ref = await accepted({ rows: 2 });
    await succeeded(ref, 1);
    expect(await feed().fullChunks(ref)).toEqual([]);
    await feed().fail(ref, 0, FAILURE);
    await feed().fail(ref, 0, FAILURE);
    expect(await read(ref)).toMatchObject({ state: 'completed', counts: { succeeded: 1, failed: 1 } });
    expect(await feed().fullChunks(ref)).toEqual([0]);
    const { writes, outcomes } = await feed().outcomes(ref, 0);
    expect(outcomes.toSorted((a, b) => a.row - b.row)).toMatchObject([
      { row: 0, job: null, state: 'failed', result: null, failure: FAILURE },
      { row: 1, state: 'succeeded', result: { averageBatch: 1.5 }, failure: null },
    ]);
    expect(await feed().close(ref, 60_000)).toBe(false);
    expect(await feed().forgetOutcomes(ref, 0, writes)).toBe(true);
    expect(await feed().close(ref, 60_000)).toBe(true);
    expect(await feed().open()).not.toContainEqual(ref);
    expect(await q().redis.pttl(q().keys.bulk(ref))).toBeGreaterThan(0);
    expect(await q().redis.exists(q().keys.index('default'))).toBe(0);
  });

  it('is not forgotten when it came in while others were stored', async () => {
    const ref = await accepted();
    await succeeded(ref, 0);
    const { writes } = await feed().outcomes(ref, 0);
    await succeeded(ref, 1);
    expect(await feed().forgetOutcomes(ref, 0, writes)).toBe(false);
    expect((await feed().outcomes(ref, 0)).outcomes).toHaveLength(2);
  });
});

describe('a paused bulk', () => {
  it('is fed nothing, starts nothing, and gives its share of the lane to others', async () => {
    const ref = await accepted();
    const { job: underway, fence } = await running(ref, 0);
    const [waiting] = await fed(ref, [1]);
    const outcome = await bulks().pause(ref);
    expect(outcome).toMatchObject({ kind: 'done' });
    const jobs = outcome.kind === 'done' ? outcome.jobs : [];
    expect(new Map(jobs.map(({ id, state }) => [id, state]))).toEqual(
      new Map([
        [underway.id, 'running'],
        [waiting?.job, 'queued'],
      ]),
    );
    expect(await window()).toBeNull();
    expect(await fed(ref, [2])).toEqual([]);
    const job = { tenant: ref.tenant, id: waiting?.job ?? '' };
    expect(await q().records.claim(job, 'w')).toEqual({ kind: 'refused', state: 'queued' });
    await q().records.handBack(underway, fence, 'drain');
    expect(await window()).toBeNull();
    expect(await bulks().resume(ref)).toMatchObject({ kind: 'done' });
    expect(await window()).toBe('2');
    expect(await q().records.claim(job, 'w')).toMatchObject({ kind: 'claimed' });
    expect(await window()).toBe('1');
    expect((await read(ref)).state).toBe('running');
  });

  it('is told twice without harm', async () => {
    const ref = await accepted();
    await fed(ref, [0]);
    await bulks().pause(ref);
    await bulks().pause(ref);
    expect(await window()).toBeNull();
    await bulks().resume(ref);
    await bulks().resume(ref);
    expect(await window()).toBe('1');
    const types = (await q().outboxTypes()).filter((type) => type.startsWith('bulk.'));
    expect(types.slice(-3)).toEqual(['bulk.started', 'bulk.paused', 'bulk.resumed']);
  });
});

describe('a cancelled bulk', () => {
  it.each(['running', 'paused'] as const)('that was %s is over when its jobs are', async (before) => {
    const ref = await accepted();
    const { job } = await running(ref, 0);
    await fed(ref, [1]);
    await succeeded(ref, 2);
    if (before === 'paused') await bulks().pause(ref);
    const outcome = await bulks().cancel(ref);
    expect(await read(ref)).toMatchObject({
      state: 'cancelled',
      finishedAt: null,
      counts: { waiting: 0, queued: 1, running: 1, succeeded: 1, cancelled: 2 },
    });
    expect(await fed(ref, [3])).toEqual([]);
    if (outcome.kind !== 'done') throw new Error('it was refused');
    for (const live of outcome.jobs) await q().records.cancel(live);
    expect(outcome.jobs.map(({ id }) => id)).toContain(job.id);
    const bulk = await read(ref);
    expect(bulk).toMatchObject({ state: 'cancelled', counts: { queued: 0, running: 0, cancelled: 4 } });
    expect(bulk.finishedAt).not.toBeNull();
    expect(await window()).toBeNull();
    expect(await feed().fullChunks(ref)).toEqual([0]);
    expect(await bulks().retry(ref)).toEqual({ kind: 'refused', state: 'cancelled' });
  });

  it('cannot be one that is completed', async () => {
    const ref = await accepted({ rows: 1 });
    await succeeded(ref, 0);
    expect(await bulks().cancel(ref)).toEqual({ kind: 'refused', state: 'completed' });
    expect(await bulks().pause(ref)).toEqual({ kind: 'refused', state: 'completed' });
  });
});

describe('a retry', () => {
  it('feeds the failed rows again, as new jobs, and no others', async () => {
    const ref = await accepted({ rows: 3 });
    await succeeded(ref, 0);
    await failed(ref, 1);
    await feed().fail(ref, 2, FAILURE);
    const { writes } = await feed().outcomes(ref, 0);
    await feed().forgetOutcomes(ref, 0, writes);
    await feed().close(ref, 60_000);
    expect(await bulks().retry(ref)).toEqual({ kind: 'done', rows: 2 });
    expect(await read(ref)).toMatchObject({
      state: 'running',
      run: 1,
      finishedAt: null,
      counts: { waiting: 2, succeeded: 1, failed: 0 },
    });
    expect(await q().redis.pttl(q().keys.bulk(ref))).toBe(-1);
    const isFed = await feed().bits(ref, 'fed', 0);
    expect([isFed(0), isFed(1), isFed(2)]).toEqual([true, false, false]);
    expect(await feed().open()).toContainEqual(ref);
    await succeeded(ref, 1);
    await succeeded(ref, 2);
    expect(await read(ref)).toMatchObject({ state: 'completed', counts: { succeeded: 3, failed: 0 } });
    expect(new Set((await feed().outcomes(ref, 0)).outcomes.map(({ row }) => row))).toEqual(new Set([1, 2]));
    expect(await feed().fullChunks(ref)).toEqual([0]);
  });

  it('is not undone by a feeder that has not heard of it', async () => {
    const ref = await accepted({ rows: 2 });
    await failed(ref, 0);
    await bulks().retry(ref);
    const late = await feed().feed(ref, [{ row: 0, params: someParams() }], {
      run: 0,
      priority: 'bulk',
      window: 10,
    });
    expect(late).toBeUndefined();
    expect((await read(ref)).counts).toMatchObject({ waiting: 2, queued: 0 });
  });
});
