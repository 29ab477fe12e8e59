/**
 * A bulk on a farm whose processes are killed under it: feeders, courier, API. Gives what broke of what bulks promise:
 *
 *   - the totals add up whenever anybody looks, and what has ended stays ended;
 *   - each row becomes one job, which ends once, and the bulk ends once;
 *   - how each row ended can be read, and its job has a document in the store.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { readOutcomes } from '../../src/bulk-outcomes.ts';
import { chunkCount, endedRows, type Bulk, type BulkRef } from '../../src/domain/bulk.ts';
import type { Txt2ImgParams } from '../../src/domain/job.ts';
import { BulkFeed } from '../../src/queue/bulk-feed.ts';
import { BulkRecords } from '../../src/queue/bulk-records.ts';
import { pairUp } from '../../src/queue/replies.ts';
import { jobDocumentKey } from '../../src/storage/object-keys.ts';
import { openBooks, type Books } from '../support/books.ts';
import { acceptedBulk, type Ender } from '../support/bulks.ts';
import type { Farm } from '../support/farm.ts';
import type { FarmProcess } from '../support/processes.ts';

const POLL_MS = 5;
const ENDS: ReadonlySet<string> = new Set(['job.succeeded', 'job.failed', 'job.cancelled']);

export interface SessionPlan {
  readonly rows: number;
  /** Changes to the parameters of all rows. */
  readonly params?: Partial<Txt2ImgParams>;
  /** What is killed, and started again, when so large a share of the rows has ended; in the order of the shares. */
  readonly kills: readonly {
    readonly at: number;
    readonly victims: (farm: Farm) => readonly FarmProcess[];
  }[];
  /** Ends jobs in place of supervisors. */
  readonly ender?: (books: Books) => Ender;
}

export interface SessionReport {
  readonly bulk: Bulk;
  readonly polls: number;
  readonly seconds: number;
  /** What did not hold; empty when all did. */
  readonly broken: string[];
}

export async function bulkSession(farm: Farm, plan: SessionPlan): Promise<SessionReport> {
  const books = openBooks(farm.config);
  const bulks = new BulkRecords(books.redis, books.keys);
  const ender = plan.ender?.(books);
  const start = performance.now();
  try {
    const ref = await acceptedBulk(
      books,
      Array.from({ length: plan.rows }, () => plan.params ?? {}),
    );
    const ending = ender?.run();
    const broken: string[] = [];
    const storm = killAll(farm, plan, () => read(bulks, ref));
    const polls = await watch(bulks, ref, broken);
    await storm;
    const bulk = await settled(books, ref);
    await ender?.stop();
    await ending;
    broken.push(...(await brokenEvents(books, bulk)), ...(await brokenResults(books, bulk)));
    return { bulk, polls, seconds: (performance.now() - start) / 1_000, broken };
  } finally {
    await ender?.stop();
    await books.close();
  }
}

async function killAll(farm: Farm, { rows, kills }: SessionPlan, look: () => Promise<Bulk>): Promise<void> {
  for (const { at, victims } of kills) {
    while (endedRows((await look()).counts) < at * rows) await pause(POLL_MS);
    for (const process of victims(farm)) process.signal('SIGKILL');
    await Promise.all(victims(farm).map((process) => process.exited()));
    await Promise.all(victims(farm).map((process) => process.start()));
  }
}

/** Looks until the bulk is over; gives how often. */
async function watch(bulks: BulkRecords, ref: BulkRef, broken: string[]): Promise<number> {
  let ended = 0;
  for (let polls = 1; ; polls++) {
    const { rows, counts, finishedAt } = await read(bulks, ref);
    const each: number[] = Object.values(counts);
    const sum = each.reduce((total, count) => total + count, 0);
    if (sum !== rows || Math.min(...each) < 0) {
      broken.push(`poll ${polls}: ${JSON.stringify(counts)} do not add up to ${rows}`);
    }
    if (endedRows(counts) < ended) broken.push(`poll ${polls}: rows that had ended are no longer ended`);
    ended = endedRows(counts);
    if (finishedAt !== null) return polls;
    await pause(POLL_MS);
  }
}

/** The bulk when nobody has anything left to do for it. */
async function settled({ redis, keys }: Books, ref: BulkRef): Promise<Bulk> {
  const feed = new BulkFeed(redis, keys);
  while ((await feed.open()).some(({ id }) => id === ref.id)) await pause(POLL_MS);
  return read(new BulkRecords(redis, keys), ref);
}

async function brokenEvents({ redis, keys }: Books, bulk: Bulk): Promise<string[]> {
  const events = (await redis.xrange(keys.outbox, '-', '+')).map(([, fields]) => pairUp(fields));
  const own = events.filter((event) => event.get('bulk')?.startsWith(`${bulk.id} `) ?? false);
  const queued = countOf(own.filter((event) => event.get('type') === 'job.queued'));
  const ended = countOf(own.filter((event) => ENDS.has(event.get('type') ?? '')));
  const completed = events.filter((event) => event.get('type') === 'bulk.completed').length;
  const broken = completed === 1 ? [] : [`bulks were told to be completed ${completed} times`];
  for (let row = 0; row < bulk.rows; row++) {
    const times = [queued.get(row) ?? 0, ended.get(row) ?? 0];
    if (times.some((count) => count !== 1))
      broken.push(`row ${row} was queued and ended ${times.join(' and ')} times`);
  }
  return broken;
}

/** Events by row. */
function countOf(events: readonly ReadonlyMap<string, string>[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const event of events) {
    const row = Number(event.get('bulk')?.split(' ')[1]);
    counts.set(row, (counts.get(row) ?? 0) + 1);
  }
  return counts;
}

async function brokenResults({ redis, keys, store }: Books, bulk: Bulk): Promise<string[]> {
  const feed = new BulkFeed(redis, keys);
  const broken: string[] = [];
  const jobs = new Set<string>();
  for (let chunk = 0; chunk < chunkCount(bulk.rows); chunk++) {
    for (const { row, job } of (await readOutcomes({ feed, store }, bulk, chunk)).values()) {
      if (job === null) broken.push(`row ${row} has no job`);
      else jobs.add(job);
    }
  }
  if (jobs.size !== bulk.rows) broken.push(`${bulk.rows} rows have ${jobs.size} jobs with an outcome`);
  for (const id of jobs) await untilArchived(store, { tenant: bulk.tenant, id });
  return broken;
}

/** The courier follows at its own pace; one that never comes ends the test by its limit. */
async function untilArchived(store: Books['store'], ref: BulkRef): Promise<void> {
  while ((await store.getStart(jobDocumentKey(ref), 1)) === undefined) await pause(POLL_MS);
}

async function read(bulks: BulkRecords, ref: BulkRef): Promise<Bulk> {
  const bulk = await bulks.read(ref);
  if (bulk === undefined) throw new Error(`there is no bulk ${ref.id}`);
  return bulk;
}
