import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { JobState } from '../../src/domain/job-state.ts';
import type { JobRef } from '../../src/domain/job.ts';
import { JobRecords } from '../../src/queue/job-records.ts';
import { Keys } from '../../src/queue/keys.ts';
import { newRef, someParams, someResult } from '../support/jobs.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

const LANE = 'pocket-base.64x64';
const FAILURE = { code: 'render_failed', message: 'it broke' };

let server: TestRedis;
let redis: Redis;
let keys: Keys;
let records: JobRecords;

beforeAll(async () => {
  server = await startRedis();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(() => {
  keys = new Keys(server.prefix());
  records = new JobRecords(redis, keys, { recordTtlMs: 60_000 });
});

async function admitted(ref = newRef()): Promise<JobRef> {
  await records.admit({ ref, params: someParams(), lane: LANE });
  return ref;
}

async function claimed(worker = 'w1'): Promise<{ ref: JobRef; fence: number }> {
  const ref = await admitted();
  const claim = await records.claim(ref, worker);
  if (claim.kind !== 'claimed') throw new Error('claim was refused');
  return { ref, fence: claim.fence };
}

async function inState(state: JobState): Promise<{ ref: JobRef; fence: number }> {
  if (state === 'queued') return { ref: await admitted(), fence: 0 };
  const { ref, fence } = await claimed();
  if (state === 'succeeded') await records.commit(ref, fence, someResult(ref, fence));
  if (state === 'failed') await records.fail(ref, fence, FAILURE);
  if (state === 'cancelled') await records.cancel(ref);
  return { ref, fence };
}

async function outboxTypes(): Promise<string[]> {
  const entries = await redis.xrange(keys.outbox, '-', '+');
  return entries.map(([, fields]) => fields[1] ?? '');
}

/** Every key of a tenant's index that names the job. */
async function indexedUnder(ref: JobRef): Promise<string[]> {
  const names = (await redis.keys(`${keys.index(ref.tenant)}*`)).toSorted();
  const scores = await Promise.all(names.map((name) => redis.zscore(name, ref.id)));
  return names.filter((_name, n) => scores[n] !== null).map((name) => name.slice(keys.prefix.length));
}

describe('admit', () => {
  it('writes a whole record that reads back as it was given', async () => {
    const ref = await admitted();
    expect(await records.read(ref)).toEqual({
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
    expect(await indexedUnder(ref)).toEqual([':t:default:jobs', ':t:default:jobs:queued']);
    expect(await outboxTypes()).toEqual(['job.queued']);
  });

  it('keeps any Unicode of a prompt', async () => {
    const ref = newRef();
    const params = someParams({ prompt: 'Töpfer 窯 🏺 "q" \\ \u2028 \t', metadata: { 'a\nb': 'ü' } });
    await records.admit({ ref, params, lane: LANE });
    expect((await records.read(ref))?.params).toEqual(params);
  });

  it('gives one id to 50 parallel requests with one idempotency key', async () => {
    const idempotency = { key: 'k1', bodyHash: 'h1' };
    const refs = Array.from({ length: 50 }, () => newRef());
    const outcomes = await Promise.all(
      refs.map((ref) => records.admit({ ref, params: someParams(), lane: LANE, idempotency })),
    );
    const winners = refs.filter((_ref, n) => outcomes[n]?.kind === 'admitted');
    expect(winners).toHaveLength(1);
    const others = outcomes.filter(({ kind }) => kind !== 'admitted');
    expect(new Set(others.map((other) => JSON.stringify(other)))).toEqual(
      new Set([JSON.stringify({ kind: 'existing', id: winners[0]?.id })]),
    );
    expect((await records.list('default', { limit: 100 })).records).toHaveLength(1);
  });

  it('refuses the key with another request, and knows keys of one tenant only', async () => {
    const ref = newRef();
    const first = { ref, params: someParams(), lane: LANE, idempotency: { key: 'k', bodyHash: 'one' } };
    await records.admit(first);
    const other = { ...first, ref: newRef(), idempotency: { key: 'k', bodyHash: 'two' } };
    expect(await records.admit(other)).toEqual({ kind: 'conflict', id: ref.id });
    expect(await records.admit({ ...other, ref: newRef('else') })).toEqual({ kind: 'admitted' });
  });

  it('answers a call that is sent again as it did the first time', async () => {
    const admission = {
      ref: newRef(),
      params: someParams(),
      lane: LANE,
      idempotency: { key: 'k', bodyHash: 'h' },
    };
    expect(await records.admit(admission)).toEqual({ kind: 'admitted' });
    expect(await records.admit(admission)).toEqual({ kind: 'admitted' });
    expect(await outboxTypes()).toEqual(['job.queued']);
  });
});

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
      run: (ref) => records.claim(ref, 'w2'),
      legal: { queued: 'running', running: 'running' },
    },
    {
      name: 'commit',
      run: (ref, fence) => records.commit(ref, fence, someResult(ref, fence)),
      legal: { running: 'succeeded' },
    },
    { name: 'fail', run: (ref, fence) => records.fail(ref, fence, FAILURE), legal: { running: 'failed' } },
    { name: 'reject', run: (ref) => records.reject(ref, FAILURE), legal: { queued: 'failed' } },
    {
      name: 'handBack',
      run: (ref, fence) => records.handBack(ref, fence, 'drain'),
      legal: { running: 'queued' },
    },
    {
      name: 'cancel',
      run: (ref) => records.cancel(ref),
      legal: { queued: 'cancelled', running: 'cancelled' },
    },
  ];
  const table = steps.flatMap((step) =>
    ALL.map((from) => ({ step, from, title: `${step.name} from ${from}` })),
  );

  it.each(table)('$title goes where it may and nowhere else', async ({ step, from }) => {
    const { ref, fence } = await inState(from);
    const [before, historyBefore, outboxBefore] = await Promise.all([
      records.read(ref),
      records.history(ref),
      outboxTypes(),
    ]);
    await step.run(ref, fence);
    const after = await records.read(ref);
    const to = step.legal[from];
    if (to === undefined) {
      expect(after).toEqual(before);
      expect(await records.history(ref)).toEqual(historyBefore);
      expect(await outboxTypes()).toEqual(outboxBefore);
      return;
    }
    expect(after?.state).toBe(to);
    expect(await indexedUnder(ref)).toEqual([':t:default:jobs', `:t:default:jobs:${to}`]);
    const history = await records.history(ref);
    expect(history.slice(0, -1)).toEqual(historyBefore);
    expect(history.at(-1)).toMatchObject({ from, to, fence: after?.fence });
    expect(await outboxTypes()).toHaveLength(outboxBefore.length + 1);
  });

  it.each(['commit', 'fail', 'handBack'])('%s is stale with an older fence', async (name) => {
    const { ref, fence } = await claimed();
    await records.claim(ref, 'w2');
    const before = await records.read(ref);
    const step = steps.find((candidate) => candidate.name === name);
    expect(await step?.run(ref, fence)).toBe('stale');
    expect(await records.read(ref)).toEqual(before);
  });

  it('says missing for a job that is not there, and does not make it', async () => {
    const ref = newRef();
    expect(await records.claim(ref, 'w')).toEqual({ kind: 'refused', state: 'missing' });
    expect(await records.cancel(ref)).toEqual({ kind: 'missing' });
    expect(await records.commit(ref, 1, someResult(ref, 1))).toBe('stale');
    expect(await records.fail(ref, 1, FAILURE)).toBe('stale');
    expect(await records.handBack(ref, 1, 'drain')).toBe('stale');
    expect(await records.reject(ref, FAILURE)).toBe('stale');
    expect(await records.read(ref)).toBeUndefined();
    expect(await redis.keys(`${keys.prefix}:*`)).toEqual([]);
  });

  it('tells the history of a job: who ran it, under which fence, and why it moved', async () => {
    const { ref, fence } = await claimed('w1');
    await records.handBack(ref, fence, 'engine_crash');
    await records.claim(ref, 'w2');
    await records.claim(ref, 'w3');
    await records.commit(ref, 3, someResult(ref, 3));
    const history = await records.history(ref);
    expect(history.map(({ from, to, fence: f, reason, worker }) => [from, to, f, reason, worker])).toEqual([
      [null, 'queued', 0, 'admit', undefined],
      ['queued', 'running', 1, 'claim', 'w1'],
      ['running', 'queued', 1, 'engine_crash', 'w1'],
      ['queued', 'running', 2, 'claim', 'w2'],
      ['running', 'running', 3, 'takeover', 'w3'],
      ['running', 'succeeded', 3, 'commit', 'w3'],
    ]);
    expect(await outboxTypes()).toEqual([
      'job.queued',
      'job.started',
      'job.requeued',
      'job.started',
      'job.started',
      'job.succeeded',
    ]);
  });
});

describe('a holder', () => {
  it('that was frozen while another took over can do nothing any more', async () => {
    const { ref, fence } = await claimed('frozen');
    const second = await records.claim(ref, 'live');
    expect(second).toMatchObject({ kind: 'claimed', fence: fence + 1 });
    expect(await records.progress([{ ref, fence, progress: { step: 3, steps: 8, etaSeconds: 1 } }])).toEqual([
      false,
    ]);
    expect(await records.commit(ref, fence, someResult(ref, fence))).toBe('stale');
    expect(await records.commit(ref, fence + 1, someResult(ref, fence + 1))).toBe('committed');
    expect(await records.commit(ref, fence, someResult(ref, fence))).toBe('stale');
    expect((await records.read(ref))?.result).toEqual(someResult(ref, fence + 1));
  });

  it('is counted once, however often its commit is sent', async () => {
    const { ref, fence } = await claimed();
    for (let n = 0; n < 3; n++)
      expect(await records.commit(ref, fence, someResult(ref, fence))).toBe('committed');
    expect(await records.usage('default')).toEqual({ jobs: 1, images: 2, sampleSteps: 8 });
    expect(await records.usage('else')).toEqual({ jobs: 0, images: 0, sampleSteps: 0 });
  });

  it('gets the same answer when fail or handBack is sent again', async () => {
    const one = await claimed();
    for (let n = 0; n < 2; n++) expect(await records.fail(one.ref, one.fence, FAILURE)).toBe('failed');
    const two = await claimed();
    for (let n = 0; n < 2; n++) expect(await records.handBack(two.ref, two.fence, 'retry')).toBe('queued');
    expect(await records.read(two.ref)).toMatchObject({ state: 'queued', attempts: 1 });
  });

  it('reports the progress of many jobs at once and hears which are no longer its own', async () => {
    const mine = await claimed();
    const cancelled = await claimed();
    await records.cancel(cancelled.ref);
    const gone = { ref: newRef(), fence: 1 };
    const progress = { step: 5, steps: 10, etaSeconds: 1.5 };
    const answers = await records.progress([mine, cancelled, gone].map((job) => ({ ...job, progress })));
    expect(answers).toEqual([true, false, false]);
    expect((await records.read(mine.ref))?.progress).toEqual(progress);
    expect(await records.read(gone.ref)).toBeUndefined();
    expect(await records.progress([])).toEqual([]);
  });

  it.each([
    ['drain', { attempts: 0, crashes: 0, soloCrashes: 0 }],
    ['engine_crash', { attempts: 0, crashes: 1, soloCrashes: 0 }],
    ['solo_crash', { attempts: 0, crashes: 1, soloCrashes: 1 }],
    ['retry', { attempts: 1, crashes: 0, soloCrashes: 0 }],
  ] as const)('hands back for %s at that cost', async (reason, cost) => {
    const { ref, fence } = await claimed();
    await records.progress([{ ref, fence, progress: { step: 3, steps: 8, etaSeconds: 1 } }]);
    expect(await records.handBack(ref, fence, reason)).toBe('queued');
    expect(await records.read(ref)).toMatchObject({
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
      const { ref, fence } = await claimed();
      const other = new JobRecords(server.client(), keys, { recordTtlMs: 60_000 });
      await Promise.all([
        records.commit(ref, fence, someResult(ref, fence)),
        other.cancel(ref),
        records.fail(ref, fence, FAILURE),
        other.handBack(ref, fence, 'drain'),
      ]);
      const history = await records.history(ref);
      const ends = history.filter(({ to }) => to !== 'queued' && to !== 'running');
      expect(ends).toHaveLength(1);
      expect((await records.read(ref))?.state).toBe(ends[0]?.to);
    }
  });

  it('lets record and history expire together, and nothing before', async () => {
    const { ref, fence } = await claimed();
    expect(await redis.pttl(keys.job(ref))).toBe(-1);
    await records.commit(ref, fence, someResult(ref, fence));
    for (const key of [keys.job(ref), keys.history(ref)]) {
      const ttl = await redis.pttl(key);
      expect(ttl).toBeGreaterThan(50_000);
      expect(ttl).toBeLessThanOrEqual(60_000);
    }
  });

  it('of a running job is announced on the cancel channel', async () => {
    const listener = server.client();
    await listener.subscribe(keys.cancels);
    const message = new Promise((resolve) =>
      listener.on('message', (_channel, text) => resolve(JSON.parse(text))),
    );
    const { ref } = await claimed();
    await records.cancel(ref);
    expect(await message).toEqual(ref);
  });
});

describe('list', () => {
  it('gives newest first, in pages that neither repeat nor skip while jobs come and go', async () => {
    const refs = [];
    for (let n = 0; n < 25; n++) refs.push(await admitted());
    const newestFirst = refs.map(({ id }) => id).toReversed();
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await records.list('default', { limit: 4, ...(cursor === undefined ? {} : { cursor }) });
      seen.push(...page.records.map(({ id }) => id));
      cursor = page.cursor ?? undefined;
      await admitted();
    } while (cursor !== undefined);
    expect(seen).toEqual(newestFirst);
  });

  it('filters by state, model and kind, and shows other tenants nothing', async () => {
    const { ref } = await claimed();
    await admitted();
    const other = newRef();
    await records.admit({ ref: other, params: someParams({ model: 'other' }), lane: 'other.64x64' });
    const ids = async (filter: object): Promise<string[]> =>
      (await records.list('default', { limit: 10, ...filter })).records.map(({ id }) => id);
    expect(await ids({ state: 'running' })).toEqual([ref.id]);
    expect(await ids({ model: 'other' })).toEqual([other.id]);
    expect(await ids({ state: 'running', model: 'other' })).toEqual([]);
    expect(await ids({ kind: 'txt2img' })).toHaveLength(3);
    expect(await ids({ kind: 'upscale' })).toEqual([]);
    expect((await records.list('else', { limit: 10 })).records).toEqual([]);
  });

  it('looks at a bounded number of jobs a call and continues where it stopped', async () => {
    const target = newRef();
    await records.admit({ ref: target, params: someParams({ model: 'rare' }), lane: LANE });
    await Promise.all(Array.from({ length: 1_200 }, () => admitted()));
    const first = await records.list('default', { model: 'rare', limit: 200 });
    expect(first.records).toEqual([]);
    const second = await records.list('default', { model: 'rare', limit: 200, cursor: first.cursor ?? '' });
    expect(second.records.map(({ id }) => id)).toEqual([target.id]);
  });

  it.each(['', 'x', '1e400', '-1', '1 2', '9'.repeat(40)])('refuses the cursor %j', async (cursor) => {
    await expect(records.list('default', { limit: 1, cursor })).rejects.toThrow(/cursor/);
  });
});
