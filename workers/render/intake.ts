/**
 * Pulls jobs while the engine has room for their samples: its batch, and a little more, so that a place that gets
 * free is filled at the very next step. What is pulled is claimed, and then belongs to this worker.
 */
import type { Logger } from 'pino';
import type { JobRecords } from '../../src/queue/job-records.ts';
import type { LanePuller, PulledJob } from '../../src/queue/lane-puller.ts';
import { isAborted, pause } from '../../src/waiting.ts';
import { orderLanes } from './lane-order.ts';
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
  readonly models: { readonly offered: ReadonlySet<string>; readonly loaded: ReadonlySet<string> };
  /** Must put the job into the table at once. */
  readonly onJob: (job: RunningJob) => void;
  readonly log: Logger;
}

export class Intake {
  readonly #parts: IntakeParts;

  constructor(parts: IntakeParts) {
    this.#parts = parts;
  }

  /** Runs until the signal aborts; then no job is between being pulled and being in the table. */
  async run(signal: AbortSignal): Promise<void> {
    const { puller, jobs, hasRoom, log } = this.#parts;
    const prefer = (lanes: string[]): string[] => this.#prefer(lanes);
    while (!signal.aborted) {
      await jobs.until(hasRoom, signal);
      if (isAborted(signal)) return;
      try {
        const pulled = await puller.next({ prefer, timeoutMs: PULL_TIMEOUT_MS, signal });
        if (pulled !== undefined) await this.#take(pulled, signal);
      } catch (error) {
        // What was pulled but not claimed goes to another when its lock lapses.
        log.error({ err: error }, 'Pulling a job failed');
        await pause(PAUSE_AFTER_ERROR_MS, signal);
      }
    }
  }

  async #take(pulled: PulledJob, signal: AbortSignal): Promise<void> {
    const { records, puller, workerId, onJob, log } = this.#parts;
    const { ref, lane } = pulled;
    const claim = await untilRedisTakes(() => records.claim(ref, workerId), { signal, log });
    if (claim.kind === 'refused') {
      log.debug({ jobId: ref.id, state: claim.state }, 'Claim was refused; the job is over');
      await untilRedisTakes(() => puller.complete(pulled), { signal, log });
      return;
    }
    const job = new RunningJob(pulled, claim.fence, claim.record);
    log.info({ jobId: ref.id, fence: claim.fence, lane, samples: job.samples.length }, 'Job was claimed');
    onJob(job);
  }

  #prefer(lanes: readonly string[]): string[] {
    const inEngine = this.#parts.jobs.all().filter((job) => job.inEngine.size > 0);
    const running = new Set(inEngine.map((job) => job.pulled.lane));
    return orderLanes(lanes, { ...this.#parts.models, running });
  }
}
