import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { beforeEach, expect, it } from 'vitest';
import type { JobParams, JobRef } from '../../src/domain/job.ts';
import { Lease } from '../../src/queue/lease.ts';
import { LocalStore } from '../../src/storage/local-store.ts';
import { inputFolder, inputKey } from '../../src/storage/object-keys.ts';
import { sweepInputs, sweepPauseMs } from '../../workers/courier/input-sweep.ts';
import { LANE, NEVER, queueFixture } from '../queue/fixture.ts';
import { acceptedBulk } from '../support/bulks.ts';
import { newRef, someParams } from '../support/jobs.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const HOUR = 3_600_000;
const TTL = 10 * HOUR;

const { kind: _kind, upscale: _upscale, ...ANY } = someParams();
const CHANGED = { ...ANY, strength: 0.5 };

const q = queueFixture();
let root: string;
let store: LocalStore;

beforeEach(async () => {
  root = await temporaryFolder();
  store = new LocalStore(root);
});

async function putInput(id: string, ageMs: number, tenant = 'default'): Promise<void> {
  const key = inputKey(tenant, id);
  await store.put(key, Buffer.from(id), 'image/png');
  const then = new Date(Date.now() - ageMs);
  await utimes(join(root, key), then, then);
}

/** Admits a job, and makes it as old as is said. */
async function job(params: JobParams, ageMs: number, tenant = 'default'): Promise<JobRef> {
  const ref = newRef(tenant);
  await q().records.admit({ ref, params, lane: LANE });
  for (const index of [q().keys.index(tenant), q().keys.index(tenant, 'queued')]) {
    await q().redis.zadd(index, Date.now() - ageMs, ref.id);
  }
  return ref;
}

function lease(holder: string): Lease {
  return new Lease(q().redis, q().keys, { name: 'janitor', holder, ttlMs: HOUR });
}

async function sweep(signal = NEVER, holder = 'me'): Promise<void> {
  const { redis, keys, records } = q();
  const log = pino({ level: 'silent' });
  await sweepInputs({ redis, keys, records, store, lease: lease(holder), log }, { inputTtlMs: TTL, signal });
}

async function kept(tenant = 'default'): Promise<string[]> {
  const keys = await store.list(inputFolder(tenant));
  return keys.map((key) => key.slice(inputFolder(tenant).length, -'.png'.length)).toSorted();
}

it('what nobody used for the whole time goes, of every tenant, and of those without a job', async () => {
  await putInput('up_old', 11 * HOUR);
  await putInput('up_young', 9 * HOUR);
  await putInput('up_other', 11 * HOUR, 'other');
  await job(someParams(), 0, 'other');
  await sweep();
  expect([await kept(), await kept('other')]).toEqual([['up_young'], []]);
});

it('the images of jobs that still wait or run stay, however old', async () => {
  const inputs = [
    'up_image',
    'up_mask',
    'up_source',
    'up_depth',
    'up_depth_map',
    'up_low',
    'up_running',
    'up_done',
  ];
  for (const id of inputs) await putInput(id, 11 * HOUR);
  await job(
    { ...CHANGED, kind: 'inpaint', image: 'up_image', mask: 'up_mask', overlay: true, cropPadding: null },
    11 * HOUR,
  );
  await job({ ...CHANGED, kind: 'img2img', image: 'up_source' }, 11 * HOUR);
  await job(
    { ...CHANGED, kind: 'depth', image: 'up_depth', depthMap: 'up_depth_map', returnDepthMap: false },
    11 * HOUR,
  );
  await job(
    { ...CHANGED, kind: 'depth', image: 'up_depth', depthMap: null, returnDepthMap: false },
    11 * HOUR,
  );
  await job({ ...ANY, kind: 'upscale', image: 'up_low', noiseLevel: 20 }, 11 * HOUR);
  const running = await job({ ...CHANGED, kind: 'img2img', image: 'up_running' }, 11 * HOUR);
  await q().records.claim(running, 'w');
  const done = await job({ ...CHANGED, kind: 'img2img', image: 'up_done' }, 11 * HOUR);
  await q().records.cancel(done);
  await sweep();
  expect(await kept()).toEqual(inputs.filter((id) => id !== 'up_done').toSorted());
});

it('a job whose image is gone stops no sweep', async () => {
  await putInput('up_old', 11 * HOUR);
  await job({ ...CHANGED, kind: 'img2img', image: 'up_gone' }, 11 * HOUR);
  await sweep();
  expect(await kept()).toEqual([]);
});

it('nothing goes when somebody else has the lease, or the sweep is told to stop', async () => {
  await putInput('up_old', 11 * HOUR);
  await lease('somebody').take();
  await sweep();
  await lease('somebody').drop();
  await sweep(AbortSignal.abort());
  expect(await kept()).toEqual(['up_old']);
});

it('sweeps come often enough to see a waiting job in the second half of its images’ life', () => {
  expect(sweepPauseMs(TTL)).toBe(HOUR);
  expect(sweepPauseMs(8_000)).toBe(1_000);
});

it('the images of rows that are no jobs yet stay, of bulks that are older than they', async () => {
  const [ready, named, unused] = ['a', 'b', 'c'].map((digit) => `up_${digit.repeat(64)}`);
  for (const id of [ready, named, unused]) await putInput(id ?? '', 11 * HOUR);
  const { redis, keys } = q();
  const params = { ...CHANGED, kind: 'img2img', image: ready ?? '' } as const;
  const request = {
    kind: 'inpaint',
    prompt: 'x',
    seed: 1,
    image: named ?? '',
    mask: 'https://x.example/m.png',
  } as const;
  const model = { name: 'm', defaultWidth: 64, defaultHeight: 64 };
  const ref = await acceptedBulk({ redis, keys, store }, [{ params }, { request, model }]);
  await redis.hset(keys.bulk(ref), 'createdAt', Date.now() - 11 * HOUR);
  await sweep();
  expect(await kept()).toEqual([ready, named]);
});
