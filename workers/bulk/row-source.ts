/**
 * The rows of one bulk that are still to be fed, in the order of the file, as far as lanes allow. It looks a few chunks
 * ahead, so that rows of a lane that has enough do not hold up the others; no further, so that it stays small.
 *
 * It is a view that can be thrown away: which rows are fed is in Redis, and a new one begins where they end.
 */
import type { Logger } from 'pino';
import { CHUNK_ROWS, chunkCount, type Bulk, type BulkRow, type ReadyRow } from '../../src/domain/bulk.ts';
import type { RenderFailure } from '../../src/domain/failure.ts';
import { laneName } from '../../src/domain/lane.ts';
import { FEED_AT_ONCE, type BulkFeed } from '../../src/queue/bulk-feed.ts';
import { parseBulkRows } from '../../src/storage/bulk-rows.ts';
import { bulkRowsKey } from '../../src/storage/object-keys.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { OpenChunk } from './open-chunk.ts';
import type { RowFetcher } from './row-fetcher.ts';

/** Chunks that are open at once; beyond the first only as long as they are small together. */
const LOOK_AHEAD = 8;
const LOOK_AHEAD_BYTES = 16 * 1_024 * 1_024;
/** Rows of one bulk whose images are being fetched, or that wait for a place with them. */
const FETCHED_AHEAD = 16;

export interface RowSourceParts {
  readonly feed: Pick<BulkFeed, 'nextUnfed' | 'bits' | 'fail' | 'reuse'>;
  readonly store: Pick<ObjectStore, 'get'>;
  readonly fetcher: RowFetcher;
  /** Something came in meanwhile that can be fed. */
  readonly onRow: () => void;
  readonly log: Logger;
}

export class RowSource {
  /** As it was when this view began. */
  readonly bulk: Bulk;
  readonly #parts: RowSourceParts;
  #chunks: OpenChunk[] = [];
  #nextChunk: number | undefined = 0;
  /** Rows that go before those of the chunks: fetched, or found no place. */
  #first: ReadyRow[] = [];
  #fetching = 0;

  constructor(bulk: Bulk, parts: RowSourceParts) {
    this.bulk = bulk;
    this.#parts = parts;
  }

  /** True when nothing will come of it any more. */
  get isSpent(): boolean {
    return (
      this.#nextChunk === undefined &&
      this.#chunks.length === 0 &&
      this.#first.length === 0 &&
      this.#fetching === 0
    );
  }

  /** It gives no more rows. */
  close(): void {
    this.#chunks = [];
    this.#first = [];
    this.#nextChunk = undefined;
  }

  /** The lane of the next row that has a place. */
  nextLane(hasRoom: (lane: string) => boolean): string | undefined {
    const first = this.#first.find(({ params }) => hasRoom(laneName(params)));
    if (first !== undefined) return laneName(first.params);
    for (const chunk of this.#chunks) {
      const lane = chunk.firstLane(hasRoom);
      if (lane !== undefined) return lane;
    }
    return undefined;
  }

  /** The next row of a lane that `nextLane` gave. */
  take(lane: string): ReadyRow {
    const n = this.#first.findIndex(({ params }) => laneName(params) === lane);
    const [first] = n === -1 ? [] : this.#first.splice(n, 1);
    if (first !== undefined) return first;
    for (const chunk of this.#chunks) {
      const row = chunk.take(lane);
      if (row === undefined) continue;
      if (chunk.isEmpty) this.#chunks = this.#chunks.filter((other) => other !== chunk);
      return row;
    }
    throw new Error(`no row of ${this.bulk.id} is for ${lane}`);
  }

  /** They found no place after all. */
  giveBack(rows: readonly ReadyRow[]): void {
    this.#first = [...rows, ...this.#first];
  }

  /** Looks further ahead, if that is allowed and there is something; false when not. */
  async more(): Promise<boolean> {
    this.#fetchSome();
    if (this.#nextChunk === undefined || this.#isFarEnough()) return false;
    const { feed, store, log } = this.#parts;
    const chunk = await feed.nextUnfed(this.bulk, this.bulk.rows, this.#nextChunk);
    this.#nextChunk = chunk === undefined || chunk + 1 >= chunkCount(this.bulk.rows) ? undefined : chunk + 1;
    if (chunk === undefined) return false;
    const key = bulkRowsKey(this.bulk, chunk);
    try {
      const bytes = await store.get(key);
      const isFed = await feed.bits(this.bulk, 'fed', chunk);
      const rows = bytes === undefined ? undefined : readRows(bytes, chunk, { key, log });
      if (bytes === undefined || rows === undefined) return await this.#failChunk(chunk, isFed);
      const unfed = rows.filter(({ row }) => !isFed(row % CHUNK_ROWS));
      await this.#reuse(unfed);
      const toRender = unfed.filter(({ reused }) => reused === undefined);
      const left = new OpenChunk(chunk, bytes.length, toRender);
      if (!left.isEmpty) this.#chunks.push(left);
    } catch (error) {
      // The store or Redis is away: this chunk is still the next.
      this.#nextChunk = chunk;
      throw error;
    }
    this.#fetchSome();
    return true;
  }

  /** Ends the rows whose pictures are there already. */
  async #reuse(rows: readonly BulkRow[]): Promise<void> {
    const known = rows.flatMap(({ row, reused }) => (reused === undefined ? [] : [{ row, ...reused }]));
    for (let n = 0; n < known.length; n += FEED_AT_ONCE) {
      await this.#parts.feed.reuse(this.bulk, known.slice(n, n + FEED_AT_ONCE));
    }
  }

  #isFarEnough(): boolean {
    const bytes = this.#chunks.reduce((sum, chunk) => sum + chunk.bytes, 0);
    return this.#chunks.length > 0 && (this.#chunks.length >= LOOK_AHEAD || bytes > LOOK_AHEAD_BYTES);
  }

  /** Rows with images at addresses, the first ones first; each comes back as a row like the others, or has failed. */
  #fetchSome(): void {
    const { fetcher, onRow } = this.#parts;
    for (const chunk of this.#chunks) {
      while (this.#fetching + this.#first.length < FETCHED_AHEAD) {
        const row = chunk.takeToFetch();
        if (row === undefined) break;
        this.#fetching += 1;
        void fetcher.ready(this.bulk, row).then((ready) => {
          this.#fetching -= 1;
          if (ready !== undefined) this.#first.push(ready);
          onRow();
        });
      }
    }
    this.#chunks = this.#chunks.filter(({ isEmpty }) => !isEmpty);
  }

  /** What cannot be read now never can: objects do not change. */
  async #failChunk(chunk: number, isFed: (place: number) => boolean): Promise<boolean> {
    const { feed } = this.#parts;
    const failure: RenderFailure = { code: 'input_missing', message: 'the row is no longer in the store' };
    const last = Math.min(this.bulk.rows, (chunk + 1) * CHUNK_ROWS);
    for (let row = chunk * CHUNK_ROWS; row < last; row++) {
      if (!isFed(row % CHUNK_ROWS)) await feed.fail(this.bulk, row, failure);
    }
    return true;
  }
}

function readRows(
  bytes: Uint8Array,
  chunk: number,
  { key, log }: { key: string; log: Logger },
): BulkRow[] | undefined {
  try {
    return parseBulkRows(bytes, chunk, key);
  } catch (error) {
    log.error({ err: error, key }, 'rows of a bulk cannot be read; those that were not fed fail');
    return undefined;
  }
}
