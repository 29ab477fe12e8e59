/** The feeder's side of the bulks: from rows to jobs, and from outcomes to the store. */
import type { Redis } from 'ioredis';
import { CHUNK_ROWS, chunkOf, type BulkRef, type ReusedPictures, type RowOutcome } from '../domain/bulk.ts';
import { PRIORITY_RANK, type JobFailure, type JobParams, type Priority } from '../domain/job.ts';
import { stepsOfJob } from '../domain/job-steps.ts';
import { laneName } from '../domain/lane.ts';
import { rowJobId } from '../job-id.ts';
import { toRowOutcome } from '../bulk-outcome-json.ts';
import { openMember } from './bulk-records.ts';
import type { Keys } from './keys.ts';
import { toList } from './replies.ts';
import { Script } from './script.ts';
import { BULK, CLOSE_BULK, FORGET_OUTCOMES } from './scripts/bulks.ts';
import { FAIL_ROW, FEED_ROWS, REUSE_ROWS } from './scripts/feed.ts';

const feedRows = new Script(BULK, FEED_ROWS);
const failRow = new Script(BULK, FAIL_ROW);
const reuseRows = new Script(BULK, REUSE_ROWS);
const forgetOutcomes = new Script(BULK, FORGET_OUTCOMES);
const closeBulk = new Script(BULK, CLOSE_BULK);

const CHUNK_BYTES = CHUNK_ROWS / 8;
/** Fed in one script: it blocks Redis for about a millisecond. */
export const FEED_AT_ONCE = 50;

export interface FeedableRow {
  readonly row: number;
  readonly params: JobParams;
}

export interface FeedOptions {
  /** Of the bulk, as it was read. */
  readonly run: number;
  readonly priority: Priority;
  /** Rows of bulks that may be queued in a lane, for each tenant. */
  readonly window: number;
}

/** `queued`: it has a job now, whoever fed it. `full`: its lane has enough. */
export interface FedRow {
  readonly row: number;
  readonly job: string;
  readonly lane: string;
  readonly state: 'queued' | 'full';
}

/** Outcomes that are not in the store yet; `writes` tells whether others came in meanwhile. */
export interface ChunkOutcomes {
  readonly writes: string;
  readonly outcomes: RowOutcome[];
}

export class BulkFeed {
  readonly #redis: Redis;
  readonly #keys: Keys;

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** Bulks of all tenants that somebody has something to do for. */
  async open(): Promise<BulkRef[]> {
    const members = await this.#redis.smembers(this.#keys.openBulks);
    return members.toSorted().map((member) => {
      const slash = member.lastIndexOf('/');
      return { tenant: member.slice(0, slash), id: member.slice(slash + 1) };
    });
  }

  /**
   * Makes jobs of rows, in their lanes, which must be known to the pullers before. Undefined when the bulk takes no rows now. At most
   * FEED_AT_ONCE.
   */
  async feed(
    ref: BulkRef,
    rows: readonly FeedableRow[],
    { run, window, priority }: FeedOptions,
  ): Promise<FedRow[] | undefined> {
    const wanted = rows.map(({ row, params }) => wantedJob(ref, { row, params }, run));
    const [kind, ...answers] = toList(
      await feedRows.run(
        this.#redis,
        [...this.#own(ref), this.#keys.index(ref.tenant), this.#keys.index(ref.tenant, 'queued')],
        [
          ref.tenant,
          ref.id,
          window,
          run,
          this.#keys.bull,
          PRIORITY_RANK[priority],
          ...wanted.flatMap(({ row, job, lane, json, steps }) => [row, job, lane, json, steps]),
        ],
      ),
    );
    if (kind !== 'open') return undefined;
    return wanted.map(({ row, job, lane }, n) => ({
      row,
      job,
      lane,
      state: Number(answers[n]) < 0 ? 'full' : 'queued',
    }));
  }

  /** Ends a row that cannot become a job. */
  async fail(ref: BulkRef, row: number, failure: JobFailure): Promise<void> {
    await failRow.run(this.#redis, this.#own(ref), [ref.tenant, ref.id, row, JSON.stringify(failure)]);
  }

  /** Ends rows whose pictures an earlier bulk has made. At most FEED_AT_ONCE. */
  async reuse(ref: BulkRef, rows: readonly (ReusedPictures & { readonly row: number })[]): Promise<void> {
    const args = rows.flatMap(({ row, job, result }) => [row, job, JSON.stringify(result)]);
    await reuseRows.run(this.#redis, this.#own(ref), [ref.tenant, ref.id, ...args]);
  }

  /** The first chunk, from the given one on, with a row that was not fed; undefined when there is none. */
  async nextUnfed(ref: BulkRef, rows: number, from: number): Promise<number | undefined> {
    // Negative when the bitmap ends before; without a bitmap 0, wherever the search begins.
    const found = await this.#redis.bitpos(this.#keys.bulk(ref, 'fed'), 0, from * CHUNK_BYTES);
    const row = Math.max(found, from * CHUNK_ROWS);
    return row < rows ? chunkOf(row) : undefined;
  }

  /** Of the rows of a chunk, by their place in it: whether the bit is set. */
  async bits(ref: BulkRef, part: 'fed' | 'done', chunk: number): Promise<(place: number) => boolean> {
    const from = chunk * CHUNK_BYTES;
    const bytes = await this.#redis.getrangeBuffer(this.#keys.bulk(ref, part), from, from + CHUNK_BYTES - 1);
    // Redis counts the bits of a byte from the highest.
    return (place) => ((bytes[place >> 3] ?? 0) & (0x80 >> (place & 7))) !== 0;
  }

  /** Rows of bulks that are queued, by lane. */
  async windows(tenant: string): Promise<Map<string, number>> {
    const used = await this.#redis.hgetall(this.#keys.windows(tenant));
    return new Map(Object.entries(used).map(([lane, rows]) => [lane, Number(rows)]));
  }

  /** Chunks that are whole but not in the store. */
  async fullChunks(ref: BulkRef): Promise<number[]> {
    return (await this.#redis.smembers(this.#keys.bulk(ref, 'full'))).map(Number);
  }

  async outcomes(ref: BulkRef, chunk: number): Promise<ChunkOutcomes> {
    const hash = await this.#redis.hgetall(this.#keys.bulk(ref, `ends:${chunk}`));
    const { writes = '', ...rows } = hash;
    const what = (row: string): string => `the outcome of row ${row} of ${ref.id}`;
    return {
      writes,
      outcomes: Object.entries(rows).map(([row, text]) => toRowOutcome(Number(row), text, what(row))),
    };
  }

  /** The outcomes are in the store now. False when others came in since they were read. */
  async forgetOutcomes(ref: BulkRef, chunk: number, writes: string): Promise<boolean> {
    const keys = [...this.#own(ref), this.#keys.bulk(ref, `ends:${chunk}`)];
    return (await forgetOutcomes.run(this.#redis, keys, [ref.tenant, ref.id, chunk, writes])) === 1;
  }

  /** Lets a bulk expire for which nothing is left to do; false when something is. */
  async close(ref: BulkRef, ttlMs: number): Promise<boolean> {
    const keys = [...this.#own(ref), this.#keys.openBulks];
    const args = [ref.tenant, ref.id, openMember(ref), Math.ceil(ttlMs)];
    return (await closeBulk.run(this.#redis, keys, args)) === 1;
  }

  #own(ref: BulkRef): string[] {
    return [this.#keys.bulk(ref), this.#keys.outbox];
  }
}

/** A row as the script takes it. */
function wantedJob({ id }: BulkRef, { row, params }: FeedableRow, run: number) {
  const { kind, ...rest } = params;
  return {
    row,
    job: rowJobId({ id, row }, run),
    lane: laneName(params),
    // The kind first, where the script finds it without reading all of it.
    json: JSON.stringify({ kind, ...rest, bulk: { id, row } }),
    steps: stepsOfJob(params),
  };
}
