/**
 * The receiving side of the lanes: one puller takes jobs of all lanes, for one budget of slots that its caller keeps.
 * Three connections, however many lanes: the shared one, one that blocks on all markers, one that hears of new lanes.
 *
 * Everything a puller holds is keyed by the token of the pull, not by the job's id: a worker that was frozen for longer
 * than a lock may pull its own job again, and the two must not be mixed up.
 */
import { randomUUID } from 'node:crypto';
import { ErrorCode, UnrecoverableError, type Job } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import type { JobRef } from '../domain/job.ts';
import { subscribe, type Subscription } from './cancel-bus.ts';
import { isRedisUnavailable } from './connection.ts';
import { Doorbell } from './doorbell.ts';
import type { Keys } from './keys.ts';
import { nextDueIn, peekLanes, waitingLanes, type WaitingLane } from './lane-peek.ts';
import { LaneWorkers, type LaneWorker } from './lane-workers.ts';
import type { LaneJobData } from './lanes.ts';
import { Script } from './script.ts';
import { RECLAIM } from './scripts/reclaim.ts';

export interface PulledJob {
  readonly ref: JobRef;
  readonly lane: string;
  /** Unique to this pull. */
  readonly token: string;
}

export interface LanePullerOptions {
  /** The same in every life of a worker, so that `reclaim` finds what an earlier life left. */
  readonly workerName: string;
  readonly lockMs: number;
  readonly log: Logger;
}

export interface NextOptions {
  /** Lanes that are not accepted are never taken from, nor listened to: they are for other workers. All by default. */
  readonly accepts?: (lane: string) => boolean;
  /** The order to try lanes in that have a job right now; by default the longest wait goes first. */
  readonly order?: (waiting: readonly WaitingLane[]) => readonly string[];
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

const SECOND = 1_000;
const REFRESH_MS = 5 * SECOND;
const OUTAGE_PAUSE_MS = 500;

const reclaimLane = new Script(RECLAIM);

/** Answers that mean: the lock is not ours any more, somebody else has the job, or it is gone. */
const LOST: ReadonlySet<unknown> = new Set([
  ErrorCode.JobNotExist,
  ErrorCode.JobLockNotExist,
  ErrorCode.JobNotInState,
  ErrorCode.JobLockMismatch,
]);

type HeldJob = Job<LaneJobData, null>;

export class LanePuller {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #options: LanePullerOptions;
  readonly #id = randomUUID();
  readonly #doorbell: Doorbell;
  readonly #workers: LaneWorkers;
  readonly #held = new Map<string, HeldJob>();
  #news: Subscription | undefined;
  #lanes = new Set<string>();
  #refreshAt = 0;
  #pulls = 0;

  constructor(redis: Redis, keys: Keys, options: LanePullerOptions) {
    this.#redis = redis;
    this.#keys = keys;
    this.#options = options;
    this.#doorbell = new Doorbell(redis, keys, this.#id);
    this.#workers = new LaneWorkers(redis, keys, options);
  }

  /** Learns which lanes there are, and hears of new ones from now on. Waits for Redis. */
  async start(): Promise<void> {
    const lookAgain = (): void => {
      this.#refreshAt = 0;
      this.#doorbell.ring();
    };
    const handlers = { onMessage: lookAgain, onSubscribed: lookAgain };
    this.#news = subscribe(this.#redis, this.#keys.newLanes, handlers);
    await this.#refresh();
  }

  /**
   * The next job, locked for `lockMs`; undefined after `timeoutMs` or when the signal aborts. It waits out a Redis that
   * is away. One call at a time.
   */
  async next(options: NextOptions): Promise<PulledJob | undefined> {
    const { timeoutMs, signal } = options;
    const deadline = performance.now() + timeoutMs;
    while (!signal.aborted) {
      const attempt = this.#attempt(options);
      const outcome = await unlessAborted(attempt, signal);
      if (outcome === undefined) return this.#giveUp(attempt);
      const { pulled, lanes, againInMs } = outcome;
      if (pulled !== undefined) return pulled;
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) break;
      await this.#doorbell.wait(lanes, Math.min(leftMs, againInMs), signal);
    }
    return undefined;
  }

  /** Locks the jobs for another `lockMs`. Gives those whose lock was lost: expired, or taken by another worker. */
  async renew(jobs: readonly PulledJob[]): Promise<PulledJob[]> {
    const lanes = [...new Set(jobs.map(({ lane }) => lane))];
    const renewals = lanes.map((lane) =>
      this.#renewLane(
        lane,
        jobs.filter((job) => job.lane === lane),
      ),
    );
    return (await Promise.all(renewals)).flat();
  }

  /** BullMQ forgets the job: after its end, or when the claim was refused. */
  async complete(pulled: PulledJob): Promise<void> {
    await this.#end(pulled, (job) => job.moveToCompleted(null, pulled.token, false));
  }

  /** The job waits in its lane for another attempt, behind a pause. */
  async retryLater(pulled: PulledJob, delayMs: number): Promise<void> {
    await this.#end(pulled, (job) => job.moveToDelayed(Date.now() + delayMs, pulled.token));
  }

  /** The job goes back to the front of its priority. */
  async handBack(pulled: PulledJob): Promise<void> {
    await this.#end(pulled, (job) => job.moveToWait(pulled.token));
    // BullMQ sets no marker for a job with a priority, so nobody would look before their next poll.
    await this.#doorbell.passOn(pulled.lane);
  }

  /** Puts back at once what a dead worker of that name held, instead of waiting for its locks. Gives how many. */
  async reclaim(workerName: string): Promise<number> {
    await this.#refresh();
    const counts = await Promise.all([...this.#lanes].map((lane) => this.#reclaimLane(lane, workerName)));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** Jobs still held stay locked until they are handed back by another life of this worker, or the locks expire. */
  async close(): Promise<void> {
    this.#news?.close();
    this.#doorbell.close();
    await this.#workers.close();
  }

  /** The caller is gone, but a command may be under way: a job that it still brings goes back. */
  #giveUp(attempt: Promise<Attempt>): undefined {
    attempt
      .then(({ pulled }) => (pulled === undefined ? undefined : this.handBack(pulled)))
      .catch((error: unknown) => this.#options.log.debug({ err: error }, 'pull given up'));
  }

  /** One look at the lanes: a job, or how long nothing is to be expected from where. */
  async #attempt({ accepts, order }: NextOptions): Promise<Attempt> {
    let lanes: string[] = [];
    try {
      if (performance.now() >= this.#refreshAt) await this.#refresh();
      lanes = [...this.#lanes].filter((lane) => accepts?.(lane) ?? true);
      return { lanes, ...(await this.#pull(lanes, order ?? asTheyWait)) };
    } catch (error) {
      if (!isRedisUnavailable(error)) throw error;
      this.#options.log.warn({ err: error }, 'Redis gives no jobs now');
      return { lanes, pulled: undefined, againInMs: OUTAGE_PAUSE_MS };
    }
  }

  async #pull(
    lanes: readonly string[],
    orderOf: NonNullable<NextOptions['order']>,
  ): Promise<Omit<Attempt, 'lanes'>> {
    if (lanes.length === 0) return { pulled: undefined, againInMs: REFRESH_MS };
    // Opened now, not at the first pull, so that each lane is searched for jobs of dead workers.
    await Promise.all(lanes.map((lane) => this.#workers.get(lane)));
    const peek = await peekLanes(this.#redis, this.#keys, lanes);
    const order = orderOf(waitingLanes(peek));
    for (const lane of order) {
      const pulled = await this.#take(lane);
      if (pulled === undefined) continue;
      const rung = this.#doorbell.takeRung();
      // This pull woke up for another lane, whose job is still there: somebody else may have a free slot for it.
      if (rung !== undefined && rung !== lane && order.includes(rung)) await this.#doorbell.passOn(rung);
      return { pulled, againInMs: 0 };
    }
    return { pulled: undefined, againInMs: Math.max(0, nextDueIn(peek)) };
  }

  async #take(lane: string): Promise<PulledJob | undefined> {
    const worker = await this.#workers.get(lane);
    for (;;) {
      const token = `${this.#id}:${this.#pulls++}`;
      const job = await nextOf(worker, token);
      if (job?.id === undefined) return undefined;
      if (await this.#isRefused(job, token)) continue;
      this.#held.set(token, job);
      return { ref: { tenant: job.data.tenant, id: job.id }, lane, token };
    }
  }

  /**
   * A job that BullMQ has given up, or whose data is gone, must be failed with an error that allows no retry: it would
   * come back for ever. If its record still waits, the reconciler gives it a new place in the lane.
   */
  async #isRefused(job: HeldJob, token: string): Promise<boolean> {
    const reason = job.deferredFailure || (typeof job.data.tenant === 'string' ? '' : 'it carries no data');
    if (reason === '') return false;
    this.#options.log.error({ job: job.id, lane: job.queueName, reason }, 'job taken out of its lane');
    await job.moveToFailed(new UnrecoverableError(reason), token, false);
    return true;
  }

  async #renewLane(lane: string, jobs: readonly PulledJob[]): Promise<PulledJob[]> {
    const worker = await this.#workers.get(lane);
    const lost: PulledJob[] = [];
    for (const batch of withoutRepeats(jobs)) {
      const ids = await worker.extendJobLocks(
        batch.map(({ ref }) => ref.id),
        batch.map(({ token }) => token),
        this.#options.lockMs,
      );
      lost.push(...batch.filter(({ ref }) => ids.includes(ref.id)));
    }
    return lost;
  }

  async #end(pulled: PulledJob, action: (job: HeldJob) => Promise<unknown>): Promise<void> {
    const job = this.#held.get(pulled.token);
    if (job === undefined) return;
    try {
      await action(job);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && LOST.has(error.code))) throw error;
      this.#options.log.debug(
        { job: pulled.ref.id, lane: pulled.lane, code: error.code },
        'lock was lost before the end',
      );
    }
    this.#held.delete(pulled.token);
  }

  async #reclaimLane(lane: string, workerName: string): Promise<number> {
    const parts = ['active', 'stalled', 'wait', 'prioritized', 'marker'];
    const keys = parts.map((part) => this.#keys.lane(lane, part));
    return Number(
      await reclaimLane.run(this.#redis, keys, [this.#keys.lane(lane, ''), workerName, this.#id]),
    );
  }

  async #refresh(): Promise<void> {
    this.#refreshAt = performance.now() + REFRESH_MS;
    this.#lanes = new Set(await this.#redis.zrange(this.#keys.lanes, '0', '-1'));
    const inUse = [...this.#held.values()].map((job) => job.queueName);
    await this.#workers.keepOnly(new Set([...this.#lanes, ...inUse]));
  }
}

interface Attempt {
  readonly lanes: readonly string[];
  readonly pulled: PulledJob | undefined;
  readonly againInMs: number;
}

function asTheyWait(waiting: readonly WaitingLane[]): string[] {
  return waiting.map(({ lane }) => lane);
}

/** BullMQ's own type leaves out that there may be none. */
function nextOf(worker: LaneWorker, token: string): Promise<HeldJob | undefined> {
  return worker.getNextJob(token, { block: false });
}

/** Undefined when the signal aborts first. */
function unlessAborted(attempt: Promise<Attempt>, signal: AbortSignal): Promise<Attempt | undefined> {
  return new Promise((resolve, reject) => {
    const abort = (): void => resolve(undefined);
    signal.addEventListener('abort', abort);
    attempt.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** In as few batches as can be without an id twice: BullMQ answers a renewal with ids, which must be unambiguous. */
function withoutRepeats(jobs: readonly PulledJob[]): PulledJob[][] {
  const batches: PulledJob[][] = [];
  for (const job of jobs) {
    const batch = batches.find((others) => others.every(({ ref }) => ref.id !== job.ref.id));
    if (batch === undefined) batches.push([job]);
    else batch.push(job);
  }
  return batches;
}
