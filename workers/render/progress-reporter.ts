/** Tells the records how far jobs are: every quarter of a second at most, all changed jobs in one call. */
import { performance } from 'node:perf_hooks';
import type { Logger } from 'pino';
import type { JobRecords } from '../../src/queue/job-records.ts';
import { every } from '../../src/waiting.ts';
import type { RunningJob, RunningJobs } from './running-jobs.ts';

const REPORT_EVERY_MS = 250;

export interface ProgressReporterParts {
  readonly records: Pick<JobRecords, 'progress'>;
  readonly jobs: RunningJobs;
  /** Called for a job that is no longer this worker's: cancelled, or claimed by another. */
  readonly onLost: (job: RunningJob) => void;
  readonly log: Logger;
}

export class ProgressReporter {
  readonly #parts: ProgressReporterParts;
  readonly #changed = new Set<RunningJob>();

  constructor(parts: ProgressReporterParts) {
    this.#parts = parts;
  }

  changed(job: RunningJob): void {
    this.#changed.add(job);
  }

  async run(signal: AbortSignal): Promise<void> {
    const options = { title: 'Reporting progress', signal, log: this.#parts.log };
    await every(REPORT_EVERY_MS, () => this.#report(), options);
  }

  async #report(): Promise<void> {
    const { records, jobs, onLost } = this.#parts;
    // A committing job is settled by its commit, which may be ahead of this report.
    const changed = [...this.#changed].filter((job) => jobs.has(job) && !job.isCommitting);
    this.#changed.clear();
    if (changed.length === 0) return;
    const now = performance.now();
    const ours = await records.progress(
      changed.map((job) => ({ ref: job.ref, fence: job.fence, progress: job.progress(now) })),
    );
    for (const [index, job] of changed.entries()) {
      if (ours[index] === false && !job.isCommitting) onLost(job);
    }
  }
}
