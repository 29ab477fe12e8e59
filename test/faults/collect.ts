/** The farm as it ended, read once and for all: records, histories, usage, lanes, and images by their links. */
import { createHash } from 'node:crypto';
import { parseJobDocument } from '../../src/storage/job-document.ts';
import { jobDocumentKey } from '../../src/storage/object-keys.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { DEFAULT_TENANT, type JobRecord, type JobRef } from '../../src/domain/job.ts';
import type { JobState } from '../../src/domain/job-state.ts';
import type { JobRecords } from '../../src/queue/job-records.ts';
import type { JobView } from '../../src/contract/job.ts';
import { readImage, readJob } from '../support/kiln-client.ts';
import type { Books } from '../support/books.ts';
import type { FarmEnd, FinalImage, FinalJob } from './evidence.ts';

const PAGE = 200;

export async function collectEnd(url: string, books: Books): Promise<FarmEnd> {
  const records = await allRecords(books.records);
  const jobs: FinalJob[] = [];
  for (const record of records) jobs.push(await finalJob(record, url, books));
  const names = await books.lanes.names();
  return {
    jobs,
    usage: await books.records.usage(DEFAULT_TENANT),
    lanes: await Promise.all(names.map(async (name) => ({ name, left: await jobsLeft(name, books) }))),
  };
}

export async function allRecords(records: JobRecords, state?: JobState): Promise<JobRecord[]> {
  const all: JobRecord[] = [];
  const filter = { limit: PAGE, ...(state === undefined ? {} : { state }) };
  let page = await records.list(DEFAULT_TENANT, filter);
  all.push(...page.records);
  while (page.cursor !== null) {
    page = await records.list(DEFAULT_TENANT, { ...filter, cursor: page.cursor });
    all.push(...page.records);
  }
  return all;
}

async function finalJob(record: JobRecord, url: string, { records, store }: Books): Promise<FinalJob> {
  const history = await records.history(record);
  const view = await readJob(url, record.id);
  return {
    record,
    moves: history.map((entry) => ({ ...entry, from: entry.from ?? '' })),
    viewState: view.state,
    images: await Promise.all(view.images.map(finalImage)),
    documentState: await documentState(store, record),
  };
}

async function finalImage({ n, url, sha256 }: JobView['images'][number]): Promise<FinalImage> {
  const bytes = await readImage(url);
  return { n, claimedSha256: sha256, actualSha256: bytes === null ? null : sha256Of(bytes) };
}

async function documentState(store: ObjectStore, ref: JobRef): Promise<JobState | null> {
  const bytes = await store.get(jobDocumentKey(ref));
  return bytes === undefined ? null : parseJobDocument(bytes).state;
}

/** Every list of BullMQ in which a job of the lane could still be. */
export async function jobsLeft(lane: string, { redis, keys }: Books): Promise<number> {
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
