/**
 * The negative control: a render worker as one writes it on a first afternoon. It pulls with BullMQ's own Worker,
 * does its effects, and then writes what it believes: no fence, no check of the state it overwrites. Everything
 * else about it is right (images, order of effects, retries, billing in one transaction), so a calm run of it is
 * clean, and whatever the checker finds is the work of the faults.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Worker, type Job } from 'bullmq';
import { pino } from 'pino';
import { loadConfig } from '../../src/config.ts';
import type { JobRecord, JobRef, RenderedImage } from '../../src/domain/job.ts';
import { connectWorker } from '../../src/queue/connection.ts';
import { FarmRegistry } from '../../src/queue/farm-registry.ts';
import { imageKey } from '../../src/storage/object-keys.ts';
import { openBooks } from '../support/books.ts';
import { sha256Of } from './collect.ts';

const STEP_MS = 10;
const NEW_LANES_POLL_MS = 100;
const CONCURRENCY = 4;
/** Never give a job up for the deaths of its workers: a run that only loses jobs would be caught too easily. */
const MAX_STALLED = 1_000;

const config = loadConfig(process.env);
const calmImages = process.env['NAIVE_IMAGES_DIR'] ?? '';
const books = openBooks(config);
// The API takes jobs only for models that someone offers.
await new FarmRegistry(books.redis, books.keys).offerModels([
  {
    name: config.defaultModel,
    kinds: ['txt2img'],
    digest: 'naive',
    bytes: 0,
    memoryBytes: 0,
    defaultWidth: 128,
    defaultHeight: 128,
  },
]);
const workers = new Map<string, Worker<JobRef>>();
const lookForLanes = setInterval(() => void openNewLanes().catch(ignoreOutage), NEW_LANES_POLL_MS);
process.once('SIGTERM', () => void stop());
process.send?.({ kind: 'ready' });

async function openNewLanes(): Promise<void> {
  for (const lane of await books.lanes.names()) {
    if (workers.has(lane)) continue;
    const worker = new Worker<JobRef>(lane, (job) => render(job), {
      connection: connectWorker(config, pino({ level: 'silent' })),
      prefix: books.keys.bull,
      concurrency: CONCURRENCY,
      lockDuration: config.lockMs,
      stalledInterval: config.lockMs / 2,
      maxStalledCount: MAX_STALLED,
      removeOnComplete: { count: 0 },
    });
    worker.on('error', ignoreOutage);
    workers.set(lane, worker);
  }
}

async function render({ data: ref }: Job<JobRef>): Promise<void> {
  const claim = await books.records.claim(ref, `naive-${process.pid}`);
  if (claim.kind === 'refused') return;
  const { record, fence } = claim;
  const images: RenderedImage[] = [];
  for (const [n, seed] of record.params.seeds.entries()) {
    for (let step = 0; step < record.params.steps; step += 1) await pause(STEP_MS);
    images.push(await storeImage(record, { fence, n, seed }));
  }
  await succeed(record, images);
}

async function storeImage(
  record: JobRecord,
  { fence, n, seed }: { fence: number; n: number; seed: number },
): Promise<RenderedImage> {
  const { format } = record.params.output;
  const bytes = await readFile(join(calmImages, String(seed)));
  const key = imageKey(record, { fence, n, format });
  const contentType = `image/${format}`;
  await books.store.put(key, bytes, contentType);
  const { width, height } = record.params;
  return { n, key, seed, width, height, bytes: bytes.length, sha256: sha256Of(bytes), contentType };
}

/** All at once, as it should be; but whoever comes last wins, however late. */
async function succeed(record: JobRecord, images: readonly RenderedImage[]): Promise<void> {
  const { keys, redis } = books;
  const at = Date.now();
  const result = JSON.stringify({ images, averageBatch: 1 });
  const move = { at, from: 'running', to: 'succeeded', fence: record.fence, reason: 'naive' };
  const event = { type: 'job.succeeded', tenant: record.tenant, id: record.id, fence: record.fence, at };
  await redis
    .multi()
    .hset(keys.job(record), { state: 'succeeded', result, finishedAt: at })
    .zrem(keys.index(record.tenant, 'running'), record.id)
    .zadd(keys.index(record.tenant, 'succeeded'), record.createdAt, record.id)
    .rpush(keys.history(record), JSON.stringify(move))
    .xadd(keys.outbox, '*', ...Object.entries(event).flat())
    .hincrby(keys.usage(record.tenant), 'jobs', 1)
    .hincrby(keys.usage(record.tenant), 'images', images.length)
    .exec();
}

/** Hands nothing back: what it holds stays active in BullMQ until its lock runs out. */
async function stop(): Promise<void> {
  clearInterval(lookForLanes);
  await Promise.allSettled([...workers.values()].map((worker) => worker.close(true)));
  await books.close();
  process.exit(0);
}

function ignoreOutage(): void {
  // Redis is killed on purpose; BullMQ and the poll of lanes come back by themselves.
}
