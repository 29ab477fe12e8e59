import { createRedisBackend, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import type { Keys } from './keys.ts';
import type { LaneJobData } from './lanes.ts';

export type LaneWorker = Worker<LaneJobData, null>;

/** BullMQ would fail a job after one death of a worker. Kiln counts crashes in the record and decides there. */
const NEVER_FAIL_STALLED = 1_000_000;
/** Locks that ran out are looked for so many times in the life of a lock. */
const CHECKS_A_LOCK = 4;
const FORGET = { count: 0 };

export interface LaneWorkerOptions {
  readonly workerName: string;
  readonly lockMs: number;
  readonly log: Logger;
}

/**
 * BullMQ's Worker of each lane, without its loop: it only moves jobs when told to, and looks for jobs of dead workers.
 * All of them share one connection.
 */
export class LaneWorkers {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #options: LaneWorkerOptions;
  readonly #workers = new Map<string, Promise<LaneWorker>>();

  constructor(redis: Redis, keys: Keys, options: LaneWorkerOptions) {
    this.#redis = redis;
    this.#keys = keys;
    this.#options = options;
  }

  /** A worker that could not get ready is broken for good; the next call makes another. */
  async get(lane: string): Promise<LaneWorker> {
    const opening = this.#workers.get(lane) ?? this.#open(lane);
    this.#workers.set(lane, opening);
    try {
      return await opening;
    } catch (error) {
      if (this.#workers.get(lane) === opening) this.#workers.delete(lane);
      throw error;
    }
  }

  /** Closes the workers of lanes that are gone. */
  async keepOnly(lanes: ReadonlySet<string>): Promise<void> {
    const gone = [...this.#workers].filter(([lane]) => !lanes.has(lane));
    for (const [lane] of gone) this.#workers.delete(lane);
    await Promise.all(gone.map(async ([, opening]) => (await opening).close()));
  }

  async close(): Promise<void> {
    const all = [...this.#workers.values()];
    this.#workers.clear();
    // One that never got ready has nothing to close.
    await Promise.allSettled(all.map(async (opening) => (await opening).close()));
  }

  async #open(lane: string): Promise<LaneWorker> {
    const { workerName, lockMs, log } = this.#options;
    const worker: LaneWorker = new Worker(
      lane,
      null,
      {
        connection: this.#redis,
        prefix: this.#keys.bull,
        name: workerName,
        autorun: false,
        lockDuration: lockMs,
        stalledInterval: lockMs / CHECKS_A_LOCK,
        maxStalledCount: NEVER_FAIL_STALLED,
        removeOnComplete: FORGET,
        removeOnFail: FORGET,
        skipVersionCheck: true,
      },
      (name, options, extra) =>
        createRedisBackend(name, options, { ...extra, withBlockingConnection: false }),
    );
    worker.on('error', (error) => log.debug({ err: error, lane }, 'lane worker'));
    worker.on('stalled', (id) => log.warn({ job: id, lane }, 'job of a silent worker goes back to its lane'));
    await worker.waitUntilReady();
    await worker.startStalledCheckTimer();
    return worker;
  }
}
