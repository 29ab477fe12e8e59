/** Bulks for tests: rows in the store as an upload leaves them, and hands that end jobs without rendering them. */
import type { Redis } from 'ioredis';
import { pino } from 'pino';
import {
  CHUNK_ROWS,
  type BulkFacts,
  type BulkRef,
  type ReadyRow,
  type RowToFetch,
} from '../../src/domain/bulk.ts';
import type { Txt2ImgParams } from '../../src/domain/job.ts';
import { newBulkId } from '../../src/job-id.ts';
import { BulkRecords } from '../../src/queue/bulk-records.ts';
import { JobRecords, type ClaimOutcome } from '../../src/queue/job-records.ts';
import type { Keys } from '../../src/queue/keys.ts';
import { LanePuller, type PulledJob } from '../../src/queue/lane-puller.ts';
import { bulkRowLine } from '../../src/storage/bulk-rows.ts';
import { bulkRowsKey } from '../../src/storage/object-keys.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { someParams, someResult } from './jobs.ts';

export interface BulkBooks {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly store: ObjectStore;
}

type GivenRow = Partial<Txt2ImgParams> | Pick<ReadyRow, 'params'> | Pick<RowToFetch, 'request' | 'model'>;

export async function acceptedBulk(
  { redis, keys, store }: BulkBooks,
  rows: readonly GivenRow[],
  changes: Partial<BulkFacts> = {},
): Promise<BulkRef> {
  const ref = { tenant: 'default', id: newBulkId() };
  const lines = rows.map((given, row) => {
    const place = { row, line: row + 2, ref: null };
    if ('request' in given || 'params' in given) return bulkRowLine({ ...place, ...given });
    return bulkRowLine({ ...place, params: someParams({ seeds: [row], priority: 'bulk', ...given }) });
  });
  for (let from = 0; from < lines.length; from += CHUNK_ROWS) {
    const text = lines.slice(from, from + CHUNK_ROWS).join('\n');
    await store.put(bulkRowsKey(ref, from / CHUNK_ROWS), Buffer.from(`${text}\n`), 'application/x-ndjson');
  }
  const facts = { name: 'rows.csv', rows: rows.length, images: rows.length, rejected: 0 };
  await new BulkRecords(redis, keys).accept(ref, { ...facts, priority: 'bulk', webhook: null, ...changes });
  return ref;
}

export interface Taken {
  readonly pulled: PulledJob;
  readonly claim: ClaimOutcome & { kind: 'claimed' };
}

/** Pulls and claims jobs as a worker does, and lets the test end them. */
export class Hands {
  readonly records: JobRecords;
  readonly #puller: LanePuller;
  readonly #stopping = new AbortController();

  /** `client` makes connections that the caller closes. */
  constructor(client: () => Redis, keys: Keys) {
    this.records = new JobRecords(client(), keys, { recordTtlMs: 60_000 });
    const log = pino({ level: 'silent' });
    this.#puller = new LanePuller(client(), keys, { workerName: 'hands', lockMs: 60_000, log });
  }

  start(): Promise<void> {
    return this.#puller.start();
  }

  /** The next job that lets itself be claimed; undefined when none comes for so long. */
  async take(timeoutMs = 10_000): Promise<Taken | undefined> {
    for (;;) {
      const pulled = await this.#puller.next({ timeoutMs, signal: this.#stopping.signal });
      if (pulled === undefined) return undefined;
      const claim = await this.records.claim(pulled.ref, 'hands');
      if (claim.kind === 'claimed') return { pulled, claim };
      await this.#puller.complete(pulled);
    }
  }

  async finish({ pulled, claim }: Taken): Promise<void> {
    await this.records.commit(pulled.ref, claim.fence, someResult(pulled.ref, claim.fence));
    await this.#puller.complete(pulled);
  }

  async fail({ pulled, claim }: Taken): Promise<void> {
    await this.records.fail(pulled.ref, claim.fence, { code: 'render_failed', message: 'it broke' });
    await this.#puller.complete(pulled);
  }

  /** Ends whatever comes, until `stop`. */
  async workThrough(end: (taken: Taken) => Promise<void>): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      const taken = await this.take();
      if (taken !== undefined) await end(taken);
    }
  }

  /** Takes no more jobs. */
  letGo(): void {
    this.#stopping.abort();
  }

  async stop(): Promise<void> {
    this.letGo();
    await this.#puller.close();
  }
}

/** Several hands that end what comes. */
export interface Ender {
  /** Resolves after `stop`. */
  run(): Promise<void>;
  stop(): Promise<void>;
}

type End = (hands: Hands, taken: Taken) => Promise<void>;

/** Hands in this process, which take their connections from the books. */
export function enderOf(
  count: number,
  end: End = (hands, taken) => hands.finish(taken),
): (books: Pick<BulkBooks, 'redis' | 'keys'>) => Ender {
  return ({ redis, keys }) => {
    const clients: Redis[] = [];
    const client = (): Redis => {
      const copy = redis.duplicate();
      clients.push(copy);
      return copy;
    };
    const hands = Array.from({ length: count }, () => new Hands(client, keys));
    let working: Promise<unknown> = Promise.resolve();
    return {
      async run() {
        await Promise.all(hands.map((one) => one.start()));
        working = Promise.all(hands.map((one) => one.workThrough((taken) => end(one, taken))));
        await working;
      },
      async stop() {
        for (const one of hands) one.letGo();
        await working;
        await Promise.all(hands.map((one) => one.stop()));
        for (const one of clients) one.disconnect();
      },
    };
  };
}
