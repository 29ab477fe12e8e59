import { describe, expect, it } from 'vitest';
import { JobRecords } from '../../src/queue/job-records.ts';
import { newRef, someParams, someResult } from '../support/jobs.ts';
import { FAILURE, LANE, queueFixture } from './fixture.ts';

const q = queueFixture();

describe('admit', () => {
  it('writes a whole record that reads back as it was given', async () => {
    const ref = await q().admitted();
    expect(await q().records.read(ref)).toEqual({
      ...ref,
      state: 'queued',
      fence: 0,
      lane: LANE,
      params: someParams(),
      createdAt: expect.any(Number),
      startedAt: null,
      finishedAt: null,
      attempts: 0,
      crashes: 0,
      soloCrashes: 0,
      progress: { step: 0, steps: 8, etaSeconds: null },
      worker: null,
      result: null,
      failure: null,
    });
    expect(await q().indexedUnder(ref)).toEqual([':t:default:jobs', ':t:default:jobs:queued']);
    expect(await q().outboxTypes()).toEqual(['job.queued']);
  });

  it('keeps any Unicode of a prompt', async () => {
    const ref = newRef();
    const params = someParams({ prompt: 'Töpfer 窯 🏺 "q" \\ \u2028 \t', metadata: { 'a\nb': 'ü' } });
    await q().records.admit({ ref, params, lane: LANE });
    expect((await q().records.read(ref))?.params).toEqual(params);
  });

  it('gives one id to 50 parallel requests with one idempotency key', async () => {
    const idempotency = { key: 'k1', bodyHash: 'h1' };
    const refs = Array.from({ length: 50 }, () => newRef());
    const outcomes = await Promise.all(
      refs.map((ref) => q().records.admit({ ref, params: someParams(), lane: LANE, idempotency })),
    );
    const winners = refs.filter((_ref, n) => outcomes[n]?.kind === 'admitted');
    expect(winners).toHaveLength(1);
    const others = outcomes.filter(({ kind }) => kind !== 'admitted');
    expect(new Set(others.map((other) => JSON.stringify(other)))).toEqual(
      new Set([JSON.stringify({ kind: 'existing', id: winners[0]?.id })]),
    );
    expect((await q().records.list('default', { limit: 100 })).records).toHaveLength(1);
  });

  it('refuses the key with another request, and knows keys of one tenant only', async () => {
    const ref = newRef();
    const first = { ref, params: someParams(), lane: LANE, idempotency: { key: 'k', bodyHash: 'one' } };
    await q().records.admit(first);
    const other = { ...first, ref: newRef(), idempotency: { key: 'k', bodyHash: 'two' } };
    expect(await q().records.admit(other)).toEqual({ kind: 'conflict', id: ref.id });
    expect(await q().records.admit({ ...other, ref: newRef('else') })).toMatchObject({ kind: 'admitted' });
  });

  it('answers a call that is sent again as it did the first time', async () => {
    const admission = {
      ref: newRef(),
      params: someParams(),
      lane: LANE,
      idempotency: { key: 'k', bodyHash: 'h' },
    };
    expect(await q().records.admit(admission)).toMatchObject({ kind: 'admitted' });
    expect(await q().records.admit(admission)).toMatchObject({ kind: 'admitted' });
    expect(await q().outboxTypes()).toEqual(['job.queued']);
  });
});

describe('a holder', () => {
  it('that was frozen while another took over can do nothing any more', async () => {
    const { ref, fence } = await q().claimed('frozen');
    const second = await q().records.claim(ref, 'live');
    expect(second).toMatchObject({ kind: 'claimed', fence: fence + 1 });
    expect(
      await q().records.progress([{ ref, fence, progress: { step: 3, steps: 8, etaSeconds: 1 } }]),
    ).toEqual([false]);
    expect(await q().records.commit(ref, fence, someResult(ref, fence))).toBe('stale');
    expect(await q().records.commit(ref, fence + 1, someResult(ref, fence + 1))).toBe('committed');
    expect(await q().records.commit(ref, fence, someResult(ref, fence))).toBe('stale');
    expect((await q().records.read(ref))?.result).toEqual(someResult(ref, fence + 1));
  });

  it('is counted once, however often its commit is sent', async () => {
    const { ref, fence } = await q().claimed();
    for (let n = 0; n < 3; n++)
      expect(await q().records.commit(ref, fence, someResult(ref, fence))).toBe('committed');
    expect(await q().records.usage('default')).toEqual({ jobs: 1, images: 2, sampleSteps: 8 });
    expect(await q().records.usage('else')).toEqual({ jobs: 0, images: 0, sampleSteps: 0 });
  });

  it('gets the same answer when fail or handBack is sent again', async () => {
    const one = await q().claimed();
    for (let n = 0; n < 2; n++) expect(await q().records.fail(one.ref, one.fence, FAILURE)).toBe('failed');
    const two = await q().claimed();
    for (let n = 0; n < 2; n++)
      expect(await q().records.handBack(two.ref, two.fence, 'retry')).toBe('queued');
    expect(await q().records.read(two.ref)).toMatchObject({ state: 'queued', attempts: 1 });
  });

  it('reports the progress of many jobs at once and hears which are no longer its own', async () => {
    const mine = await q().claimed();
    const cancelled = await q().claimed();
    await q().records.cancel(cancelled.ref);
    const gone = { ref: newRef(), fence: 1 };
    const progress = { step: 5, steps: 10, etaSeconds: 1.5 };
    const answers = await q().records.progress([mine, cancelled, gone].map((job) => ({ ...job, progress })));
    expect(answers).toEqual([true, false, false]);
    expect((await q().records.read(mine.ref))?.progress).toEqual(progress);
    expect(await q().records.read(gone.ref)).toBeUndefined();
    expect(await q().records.progress([])).toEqual([]);
  });

  it.each([
    ['drain', { attempts: 0, crashes: 0, soloCrashes: 0 }],
    ['engine_crash', { attempts: 0, crashes: 1, soloCrashes: 0 }],
    ['solo_crash', { attempts: 0, crashes: 1, soloCrashes: 1 }],
    ['retry', { attempts: 1, crashes: 0, soloCrashes: 0 }],
  ] as const)('hands back for %s at that cost', async (reason, cost) => {
    const { ref, fence } = await q().claimed();
    await q().records.progress([{ ref, fence, progress: { step: 3, steps: 8, etaSeconds: 1 } }]);
    expect(await q().records.handBack(ref, fence, reason)).toBe('queued');
    expect(await q().records.read(ref)).toMatchObject({
      ...cost,
      state: 'queued',
      worker: null,
      startedAt: null,
      progress: { step: 0, steps: 8, etaSeconds: null },
    });
  });
});

describe('a terminal state', () => {
  it('is exactly one when cancel, commit, fail and handBack race', async () => {
    for (let round = 0; round < 20; round++) {
      const { ref, fence } = await q().claimed();
      const other = new JobRecords(q().server.client(), q().keys, { recordTtlMs: 60_000 });
      await Promise.all([
        q().records.commit(ref, fence, someResult(ref, fence)),
        other.cancel(ref),
        q().records.fail(ref, fence, FAILURE),
        other.handBack(ref, fence, 'drain'),
      ]);
      const history = await q().records.history(ref);
      const ends = history.filter(({ to }) => to !== 'queued' && to !== 'running');
      expect(ends).toHaveLength(1);
      expect((await q().records.read(ref))?.state).toBe(ends[0]?.to);
    }
  });

  it('lets record and history expire together, and nothing before', async () => {
    const { ref, fence } = await q().claimed();
    expect(await q().redis.pttl(q().keys.job(ref))).toBe(-1);
    await q().records.commit(ref, fence, someResult(ref, fence));
    for (const key of [q().keys.job(ref), q().keys.history(ref)]) {
      const ttl = await q().redis.pttl(key);
      expect(ttl).toBeGreaterThan(50_000);
      expect(ttl).toBeLessThanOrEqual(60_000);
    }
  });

  it('of a running job is announced on the cancel channel', async () => {
    const listener = q().server.client();
    await listener.subscribe(q().keys.cancels);
    const message = new Promise((resolve) =>
      listener.on('message', (_channel, text) => resolve(JSON.parse(text))),
    );
    const { ref } = await q().claimed();
    await q().records.cancel(ref);
    expect(await message).toEqual(ref);
  });
});
