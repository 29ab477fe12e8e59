/** The farm as it ended, read once and for all: records, histories, usage, lanes, and images by their links. */
import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { jobDocumentKey } from '../../src/storage/object-keys.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { DEFAULT_TENANT, type JobRecord, type JobRef } from '../../src/domain/job.ts';
import type { JobState } from '../../src/domain/job-state.ts';
import type { JobRecords } from '../../src/queue/job-records.ts';
import type { Keys } from '../../src/queue/keys.ts';
import type { Lanes } from '../../src/queue/lanes.ts';
import type { JobView } from '../../src/contract/job.ts';
import type { FarmEnd, FinalImage, FinalJob } from './evidence.ts';

export interface Books {
  readonly url: string;
  readonly redis: Redis;
  readonly keys: Keys;
  readonly records: JobRecords;
  readonly lanes: Lanes;
  readonly store: ObjectStore;
}

const PAGE = 200;

export async function collectEnd(books: Books): Promise<FarmEnd> {
  const records = await allRecords(books.records);
  const jobs: FinalJob[] = [];
  for (const record of records) jobs.push(await finalJob(record, books));
  const names = await books.lanes.names();
  const usage = await books.redis.hgetall(books.keys.usage(DEFAULT_TENANT));
  return {
    jobs,
    usage: { jobs: Number(usage['jobs'] ?? 0), images: Number(usage['images'] ?? 0) },
    lanes: await Promise.all(names.map(async (name) => ({ name, left: await jobsLeft(name, books) }))),
  };
}

export async function allRecords(records: JobRecords, state?: JobState): Promise<JobRecord[]> {
  const all: JobRecord[] = [];
  let cursor: string | null | undefined;
  do {
    const page = await records.list(DEFAULT_TENANT, {
      limit: PAGE,
      ...(state === undefined ? {} : { state }),
      ...(cursor === undefined ? {} : { cursor }),
    });
    all.push(...page.records);
    cursor = page.cursor;
  } while (cursor !== null);
  return all;
}

async function finalJob(record: JobRecord, { url, records, store }: Books): Promise<FinalJob> {
  const history = await records.history(record);
  const view = await viewOf(url, record);
  return {
    record,
    moves: history.map((entry) => ({ ...entry, from: entry.from ?? '' })),
    viewState: view.state,
    images: await Promise.all(view.images.map(fetchImage)),
    documentState: await documentState(store, record),
  };
}

async function viewOf(url: string, ref: JobRef): Promise<JobView> {
  const response = await fetch(`${url}/v1/jobs/${ref.id}`);
  if (!response.ok) throw new Error(`GET of job ${ref.id} answered ${response.status}`);
  // The API's own serializer enforces the shape.
  return (await response.json()) as JobView;
}

async function fetchImage({ n, url, sha256 }: JobView['images'][number]): Promise<FinalImage> {
  const response = await fetch(url);
  const bytes = new Uint8Array(await response.arrayBuffer());
  return { n, claimedSha256: sha256, actualSha256: response.ok ? sha256Of(bytes) : null };
}

async function documentState(store: ObjectStore, ref: JobRef): Promise<string | null> {
  const bytes = await store.get(jobDocumentKey(ref));
  if (bytes === undefined) return null;
  const document: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
  return typeof document === 'object' && document !== null && 'state' in document
    ? String(document.state)
    : 'without a state';
}

/** Every list of BullMQ in which a job of the lane could still be. */
async function jobsLeft(lane: string, { redis, keys }: Books): Promise<number> {
  const [waiting, active, prioritized, delayed] = await Promise.all([
    redis.llen(keys.lane(lane, 'wait')),
    redis.llen(keys.lane(lane, 'active')),
    redis.zcard(keys.lane(lane, 'prioritized')),
    redis.zcard(keys.lane(lane, 'delayed')),
  ]);
  return waiting + active + prioritized + delayed;
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
