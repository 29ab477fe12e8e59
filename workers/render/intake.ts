/**
 * Pulls jobs while the engine has room for their samples: its batch, and a little more, so that a place that gets
 * free is filled at the very next step. When it is full, interactive jobs still come in, into a reserve. What is pulled is claimed, and then belongs to this worker.
 */
import type { Logger } from 'pino';
import { laneModels } from '../../src/domain/lane.ts';
import type { JobRecords } from '../../src/queue/job-records.ts';
import type { WaitingLane } from '../../src/queue/lane-peek.ts';
import type { LanePuller, PulledJob } from '../../src/queue/lane-puller.ts';
import { pause } from '../../src/waiting.ts';
import { awaitsLoad, orderLanes } from './lane-order.ts';
import { RunningJob, type RunningJobs } from './running-jobs.ts';
import { untilRedisTakes } from './until-redis-takes.ts';

const PULL_TIMEOUT_MS = 5_000;
const PAUSE_AFTER_ERROR_MS = 1_000;

export interface IntakeParts {
  readonly records: Pick<JobRecords, 'claim'>;
  readonly puller: Pick<LanePuller, 'next' | 'complete'>;
  readonly jobs: RunningJobs;
  readonly workerId: string;
  /** True when the engine can take more samples now; looked at whenever the table of jobs changes. */
  readonly hasRoom: () => boolean;
  /** True when it could take a few more for the sake of an interactive job. */
  readonly hasReserve: () => boolean;
  readonly models: {
    /** This worker answers for jobs of the model: it can render them, or fails them because nobody can. */
    readonly isServed: (model: string) => boolean;
    readonly loaded: ReadonlySet<string>;
    /** False while a recent model load has not yet paid for itself. */
    readonly canAffordLoad: () => boolean;
  };
  readonly maxLaneWaitMs: number;
  /** Must put the job into the table at once. */
  readonly onJob: (job: RunningJob) => void;
  readonly log: Logger;
}

export class Intake {
  readonly #parts: IntakeParts;
  /** When each lane was last taken from, in ms of a monotonic clock. */
  readonly #pulledAt = new Map<string, number>();

  constructor(parts: IntakeParts) {
    this.#parts = parts;
  }

  /** Runs until the signal aborts; then no job is between being pulled and being in the table. */
  async run(signal: AbortSignal): Promise<void> {
    const { jobs, hasRoom, log } = this.#parts;
    while (!signal.aborted) {
      try {
        const pulled = await this.#next(signal);
        if (pulled !== undefined) await this.#take(pulled, signal);
        else if (!hasRoom()) await jobs.changed(signal);
      } catch (error) {
        // What was pulled but not claimed goes to another when its lock lapses.
        log.error({ err: error }, 'Pulling a job failed');
        await pause(PAUSE_AFTER_ERROR_MS, signal);
      }
    }
  }

  /**
   * When the engine is full an interactive job comes in all the same, and takes the place of another sample at the next
   * step. To look costs one command a step; to block on the lanes would wake this worker for all that it cannot take.
   */
  #next(signal: AbortSignal): Promise<PulledJob | undefined> {
    const { puller, hasRoom, hasReserve, models } = this.#parts;
    const accepts = (lane: string): boolean => laneModels(lane).every(models.isServed);
    const order = (waiting: readonly WaitingLane[]): string[] => this.#order(waiting);
    const urgentOnly = (waiting: readonly WaitingLane[]): string[] =>
      this.#order(waiting.filter(({ isInteractive }) => isInteractive));
    if (hasRoom()) return puller.next({ accepts, order, timeoutMs: PULL_TIMEOUT_MS, signal });
    if (!hasReserve()) return Promise.resolve(undefined);
    return puller.next({ accepts, order: urgentOnly, timeoutMs: 0, signal });
  }

  async #take(pulled: PulledJob, signal: AbortSignal): Promise<void> {
    const { records, puller, workerId, onJob, log } = this.#parts;
    const { ref, lane } = pulled;
    this.#pulledAt.set(lane, performance.now());
    const claim = await untilRedisTakes(() => records.claim(ref, workerId), { signal, log });
    if (claim.kind === 'refused') {
      log.debug({ job: ref.id, lane, state: claim.state }, 'Claim was refused; the job is over');
      await untilRedisTakes(() => puller.complete(pulled), { signal, log });
      return;
    }
    const job = new RunningJob(pulled, claim.fence, claim.record, log);
    job.log.info({ samples: job.samples.length }, 'Job was claimed');
    onJob(job);
  }

  #order(waiting: readonly WaitingLane[]): string[] {
    const { jobs, models, maxLaneWaitMs } = this.#parts;
    const inEngine = jobs.all().filter((job) => job.inEngine.size > 0);
    const running = new Set(inEngine.map((job) => job.pulled.lane));
    const { loaded } = models;
    const now = performance.now();
    this.#forgetIdle(waiting);
    return orderLanes(waiting, {
      loaded,
      running,
      sincePull: (lane) => now - (this.#pulledAt.get(lane) ?? -Infinity),
      maxWaitMs: maxLaneWaitMs,
      canAffordLoad: models.canAffordLoad() && !awaitsLoad({ loaded, running }),
    });
  }

  /** What comes into an empty lane later has waited for less than any pull before lies back. */
  #forgetIdle(waiting: readonly WaitingLane[]): void {
    const busy = new Set(waiting.map(({ lane }) => lane));
    for (const lane of this.#pulledAt.keys()) if (!busy.has(lane)) this.#pulledAt.delete(lane);
  }
}
