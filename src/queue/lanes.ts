/** The sending side of the lanes: BullMQ carries ids, the job record says what they mean. */
import { performance } from 'node:perf_hooks';
import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { PRIORITY_RANK, type JobRef, type Priority } from '../domain/job.ts';
import { redisTime, RedisUnavailableError } from './connection.ts';
import type { Keys } from './keys.ts';
import { Script } from './script.ts';
import { PRUNE_LANE, REGISTER_LANE } from './scripts/lanes.ts';

/** What a BullMQ job of a lane carries. */
export interface LaneJobData {
  readonly id: string;
  readonly tenant: string;
}

/** Nothing in Kiln reads BullMQ's event streams; the outbox tells what happened. */
const EVENTS_KEPT = 100;

/** A lane's last use is noted no oftener than this; lanes are forgotten after a day without use. */
const NOTE_EVERY_MS = 60_000;

/** Queue objects kept for reuse; a caller can make a lane for every size, so they must be bounded. */
const MAX_OPEN_QUEUES = 256;

/** Lanes whose use is remembered to be noted; to forget one costs a command. */
const MAX_NOTED = 4_096;

const register = new Script(REGISTER_LANE);
const pruneLane = new Script(PRUNE_LANE);

export class Lanes {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #queues = new Map<string, Promise<Queue<LaneJobData>>>();
  /** When a lane's use was last noted, by a monotonic clock. */
  readonly #notedAt = new Map<string, number>();

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /**
   * Puts a queued job into its lane. Doing it twice does nothing more while the first is there. Throws
   * RedisUnavailableError when the connection is down; the reconciler then does it later.
   */
  async enqueue(ref: JobRef, lane: string, priority: Priority): Promise<void> {
    const queue = await this.#queue(lane);
    // First the name, so that no job waits in a lane that no puller knows.
    await Promise.all([
      this.note(lane),
      queue.add(
        lane,
        { id: ref.id, tenant: ref.tenant },
        { jobId: ref.id, priority: PRIORITY_RANK[priority] },
      ),
    ]);
  }

  /** The same for many jobs of one priority, with one round trip a lane. */
  async enqueueAll(jobs: readonly (JobRef & { readonly lane: string })[], priority: Priority): Promise<void> {
    const lanes = new Set(jobs.map(({ lane }) => lane));
    await Promise.all(
      [...lanes].map((lane) =>
        this.#addAll(
          lane,
          jobs.filter((job) => job.lane === lane),
          priority,
        ),
      ),
    );
  }

  /** How many jobs of the lane go before it, plus one; null when it does not wait there. O(log n). */
  async position(ref: JobRef, lane: string): Promise<number | null> {
    const [returned, recovered, rank] = await Promise.all([
      this.#redis.llen(this.#keys.lane(lane, 'wait')),
      // BullMQ puts jobs of dead workers in a list that goes before the priorities; it is short.
      this.#redis.lpos(this.#keys.lane(lane, 'wait'), ref.id),
      this.#redis.zrank(this.#keys.lane(lane, 'prioritized'), ref.id),
    ]);
    if (recovered !== null) return returned - recovered;
    return rank === null ? null : returned + rank + 1;
  }

  /** Every lane that had a job of late. */
  names(): Promise<string[]> {
    return this.#redis.zrange(this.#keys.lanes, '0', '-1');
  }

  /** Jobs that wait in the lane, the ones that pause before another attempt included. */
  async depth(lane: string): Promise<number> {
    const counts = await Promise.all([
      this.#redis.llen(this.#keys.lane(lane, 'wait')),
      this.#redis.zcard(this.#keys.lane(lane, 'prioritized')),
      this.#redis.zcard(this.#keys.lane(lane, 'delayed')),
    ]);
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** True when BullMQ has a job for it, waiting or being run. */
  async has(ref: JobRef, lane: string): Promise<boolean> {
    return (await this.#redis.exists(this.#keys.lane(lane, ref.id))) === 1;
  }

  /** Takes a waiting job out of its lane; one that a worker holds stays, and its holder takes it out. */
  async remove(ref: JobRef, lane: string): Promise<void> {
    const queue = await this.#queue(lane);
    await queue.remove(ref.id);
  }

  /** Forgets lanes that are empty and were not used for so long. Answers how many. */
  async prune(idleMs: number): Promise<number> {
    const before = (await redisTime(this.#redis)) - idleMs;
    const idle = await this.#redis.zrangebyscore(this.#keys.lanes, '-inf', before);
    const answers = await Promise.all(
      idle.map((lane) => {
        const parts = ['wait', 'prioritized', 'delayed', 'active', 'id', 'meta', 'events', 'marker', 'pc'];
        const keys = parts.map((part) => this.#keys.lane(lane, part));
        return pruneLane.run(this.#redis, [this.#keys.lanes, ...keys], [lane, idleMs]);
      }),
    );
    return answers.filter((answer) => answer === 1).length;
  }

  async close(): Promise<void> {
    const queues = [...this.#queues.values()];
    this.#queues.clear();
    // Closing a queue whose connection is gone rejects; nothing is left to close then.
    await Promise.allSettled(queues.map(async (queue) => (await queue).close()));
  }

  async #addAll(lane: string, jobs: readonly JobRef[], priority: Priority): Promise<void> {
    const queue = await this.#queue(lane);
    const rank = PRIORITY_RANK[priority];
    await this.note(lane);
    await queue.addBulk(
      jobs.map(({ id, tenant }) => ({
        name: lane,
        data: { id, tenant },
        opts: { jobId: id, priority: rank },
      })),
    );
  }

  /** Lets pullers know the lane. To be called before a job comes into it by another way than through here. */
  async note(lane: string): Promise<void> {
    const now = performance.now();
    if (now - (this.#notedAt.get(lane) ?? -Infinity) < NOTE_EVERY_MS) return;
    await register.run(this.#redis, [this.#keys.lanes], [lane, this.#keys.newLanes]);
    if (this.#notedAt.size >= MAX_NOTED) this.#notedAt.clear();
    this.#notedAt.set(lane, now);
  }

  /** A Queue made while Redis is down would stay broken, so it is made, and kept, only when it got ready. */
  async #queue(lane: string): Promise<Queue<LaneJobData>> {
    if (this.#redis.status !== 'ready') {
      throw new RedisUnavailableError(`Redis is not connected (${this.#redis.status})`);
    }
    const opening = this.#queues.get(lane) ?? this.#open(lane);
    // A Map keeps the order of insertion: what was used last stands last, and the first is dropped when full.
    this.#queues.delete(lane);
    this.#queues.set(lane, opening);
    try {
      return await opening;
    } catch (error) {
      if (this.#queues.get(lane) === opening) this.#queues.delete(lane);
      throw error;
    } finally {
      this.#dropOldest();
    }
  }

  async #open(lane: string): Promise<Queue<LaneJobData>> {
    const queue = new Queue<LaneJobData>(lane, {
      connection: this.#redis,
      prefix: this.#keys.bull,
      streams: { events: { maxLen: EVENTS_KEPT } },
    });
    queue.on('error', ignoreReportedError);
    await queue.waitUntilReady();
    return queue;
  }

  #dropOldest(): void {
    const [oldest] = this.#queues;
    if (oldest === undefined || this.#queues.size <= MAX_OPEN_QUEUES) return;
    this.#queues.delete(oldest[0]);
    this.#notedAt.delete(oldest[0]);
    oldest[1].then((queue) => queue.close()).catch(ignoreReportedError);
  }
}

function ignoreReportedError(): void {
  // The shared connection reports its errors once; the call that suffered gets its own.
}
