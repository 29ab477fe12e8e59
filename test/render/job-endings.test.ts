import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config.ts';
import type { Txt2ImgParams } from '../../src/domain/job.ts';
import { laneName } from '../../src/domain/lane.ts';
import { LanePuller } from '../../src/queue/lane-puller.ts';
import { JobEndings } from '../../workers/render/job-endings.ts';
import { RunningJob } from '../../workers/render/running-jobs.ts';
import { openBooks, type Books } from '../support/books.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

const image = { width: 8, height: 8, rgb: new Uint8Array(8 * 8 * 3) };
const forever = new AbortController().signal;
const log = pino({ level: 'silent' });

let folder: string;
let redis: TestRedis;
let books: Books;
let puller: LanePuller;
let endings: JobEndings;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kiln-endings-'));
  redis = await startRedis();
  books = openBooks(loadConfig({ REDIS_URL: redis.url, KILN_DATA_DIR: folder }));
  puller = new LanePuller(books.redis, books.keys, { workerName: 'w', lockMs: 60_000, log });
  endings = new JobEndings({ ...books, puller, folders: [], random: () => 1 });
  await puller.start();
});

afterAll(async () => {
  await puller.close();
  await books.close();
  await redis.stop();
  await rm(folder, { recursive: true });
});

/** A job that this worker has pulled and claimed, with its one image stored. */
async function renderedJob(): Promise<RunningJob> {
  const ref = { tenant: 'default', id: `job-${randomUUID()}` };
  const params: Txt2ImgParams = {
    kind: 'txt2img',
    upscale: null,
    model: 'pocket-base',
    prompt: 'a cube',
    negativePrompt: '',
    width: 8,
    height: 8,
    steps: 4,
    guidanceScale: 4,
    guidanceRescale: 0,
    clipSkip: 0,
    eta: 0,
    seeds: [5],
    sampler: 'euler',
    priority: 'normal',
    output: { format: 'webp', quality: 80 },
    metadata: {},
    webhook: null,
    bulk: null,
    preview: null,
    endStep: null,
    startFrom: null,
  };
  const lane = laneName(params);
  await books.records.admit({ ref, params, lane });
  await books.lanes.enqueue(ref, lane, 'normal');
  const pulled = await puller.next({ timeoutMs: 5_000, signal: forever });
  if (pulled?.ref.id !== ref.id) throw new Error('the puller brought another job');
  const claim = await books.records.claim(ref, 'w');
  if (claim.kind !== 'claimed') throw new Error('the claim was refused');
  const job = new RunningJob(pulled, claim.fence, claim.record, log);
  const slot = job.slotOf(job.samples[0]!.id);
  job.stored.set(0, { image: await endings.storeImage(job, slot, image), averageBatch: 1 });
  return job;
}

/** A 16-bit map that the job would give back with its images. */
async function withDepthMap(job: RunningJob): Promise<RunningJob> {
  const map = { width: 2, height: 1, grey16: Uint16Array.of(0, 65_535) };
  job.depthMap = await endings.storeDepthMap(job, map);
  return job;
}

const objectsOf = (job: RunningJob): Promise<string[]> => books.store.list(`default/jobs/${job.ref.id}/`);
const isInLane = (job: RunningJob): Promise<boolean> => books.lanes.has(job.ref, job.pulled.lane);

describe('a commit', () => {
  test('makes the image readable, then the job succeeded, then leaves the lane', async () => {
    const job = await renderedJob();
    await endings.commit(job, forever);
    const record = await books.records.read(job.ref);
    expect(record).toMatchObject({
      state: 'succeeded',
      result: {
        averageBatch: 1,
        images: [{ n: 0, seed: 5, width: 8, height: 8, contentType: 'image/webp' }],
      },
    });
    expect(await objectsOf(job)).toEqual([record?.result?.images[0]?.key]);
    expect(await isInLane(job)).toBe(false);
  });

  test('of a job that was cancelled meanwhile deletes its image and leaves it cancelled', async () => {
    const job = await renderedJob();
    await books.records.cancel(job.ref);
    await endings.commit(job, forever);
    expect(await books.records.read(job.ref)).toMatchObject({ state: 'cancelled', result: null });
    expect(await objectsOf(job)).toEqual([]);
    expect(await isInLane(job)).toBe(false);
  });

  test('of a job that another has claimed meanwhile touches nothing of theirs', async () => {
    const job = await renderedJob();
    await books.records.claim(job.ref, 'another');
    const theirs = `default/jobs/${job.ref.id}/2/0.webp`;
    await books.store.put(theirs, Uint8Array.of(1), 'image/webp');
    await endings.commit(job, forever);
    expect(await books.records.read(job.ref)).toMatchObject({
      state: 'running',
      fence: 2,
      worker: 'another',
    });
    expect(await objectsOf(job)).toEqual([theirs]);
  });
});

describe('a depth map', () => {
  test('belongs to the result of its job, and is read in 16 bits', async () => {
    const job = await withDepthMap(await renderedJob());
    await endings.commit(job, forever);
    const { result } = (await books.records.read(job.ref))!;
    const key = `default/jobs/${job.ref.id}/${job.fence}/depth-map.png`;
    expect(result!.depthMap).toMatchObject({ n: 0, key, width: 2, height: 1, contentType: 'image/png' });
    const png = await books.store.get(key);
    const values = await sharp(png).toColourspace('grey16').raw({ depth: 'ushort' }).toBuffer();
    expect([values.readUInt16LE(0), values.readUInt16LE(2)]).toEqual([0, 65_535]);
  });

  test('goes with the images of a run that gave no result', async () => {
    const job = await withDepthMap(await renderedJob());
    await endings.abandon(job, forever);
    expect(await objectsOf(job)).toEqual([]);
  });

  test('that is still being stored holds up the commit', async () => {
    const job = await renderedJob();
    expect(job.isCommitting).toBe(true);
    job.depthMap = 'pending';
    expect(job.isCommitting).toBe(false);
    await endings.abandon(job, forever);
  });
});

describe('a run without a result', () => {
  test('that may go better later leaves no image and waits for its next attempt', async () => {
    const job = await renderedJob();
    const failure = { code: 'store_failed', message: 'the disk is full' } as const;
    await endings.end(job, { kind: 'failed', failure }, forever);
    expect(await books.records.read(job.ref)).toMatchObject({ state: 'queued', attempts: 1 });
    expect(await objectsOf(job)).toEqual([]);
    expect(await isInLane(job)).toBe(true);
    await books.lanes.remove(job.ref, job.pulled.lane);
  });

  test('that would end the same again fails with the reason', async () => {
    const job = await renderedJob();
    const failure = { code: 'numeric_failure', message: 'not finite' } as const;
    await endings.end(job, { kind: 'failed', failure }, forever);
    expect(await books.records.read(job.ref)).toMatchObject({ state: 'failed', failure });
    expect(await isInLane(job)).toBe(false);
  });

  test('that was drained goes back to the front, and the next pull brings it', async () => {
    const job = await renderedJob();
    await endings.end(job, { kind: 'drained' }, forever);
    expect(await books.records.read(job.ref)).toMatchObject({ state: 'queued', attempts: 0, crashes: 0 });
    const again = await puller.next({ timeoutMs: 5_000, signal: forever });
    expect(again?.ref).toEqual(job.ref);
    await puller.complete(again!);
  });
});
