/**
 * Pause, resume and cancel: first the bulk, in one script, which is final; then the jobs in its windows, which follow.
 * When a process dies in between, the rest is done by the feeder (cancel), by the reconciler (resume), or by the workers,
 * whose claims are refused (pause).
 */
import type { BulkRef } from '../domain/bulk.ts';
import type { BulkOutcome, BulkRecords, LiveJob } from './bulk-records.ts';
import type { JobRecords } from './job-records.ts';
import type { Lanes } from './lanes.ts';

export interface BulkControlParts {
  readonly bulks: BulkRecords;
  readonly records: Pick<JobRecords, 'cancel'>;
  readonly lanes: Pick<Lanes, 'remove' | 'enqueueAll'>;
}

type Outcome = Promise<BulkOutcome<{ jobs: LiveJob[] }>>;

/** Jobs looked after at once. */
const AT_ONCE = 64;

export async function pauseBulk({ bulks, lanes }: BulkControlParts, ref: BulkRef): Outcome {
  const outcome = await bulks.pause(ref);
  if (outcome.kind === 'done') await eachOf(queuedOf(outcome.jobs), (job) => lanes.remove(job, job.lane));
  return outcome;
}

export async function resumeBulk({ bulks, lanes }: BulkControlParts, ref: BulkRef): Outcome {
  const outcome = await bulks.resume(ref);
  const bulk = await bulks.read(ref);
  if (outcome.kind === 'done' && bulk !== undefined) {
    await lanes.enqueueAll(queuedOf(outcome.jobs), bulk.priority);
  }
  return outcome;
}

/** Cancelling again cancels what an earlier call left. */
export async function cancelBulk({ bulks, records, lanes }: BulkControlParts, ref: BulkRef): Outcome {
  const outcome = await bulks.cancel(ref);
  if (outcome.kind === 'done') {
    await eachOf(outcome.jobs, async (job) => {
      await records.cancel(job);
      // One that a worker holds is taken out by that worker.
      if (job.state === 'queued') await lanes.remove(job, job.lane);
    });
  }
  return outcome;
}

function queuedOf(jobs: readonly LiveJob[]): LiveJob[] {
  return jobs.filter(({ state }) => state === 'queued');
}

async function eachOf(jobs: readonly LiveJob[], action: (job: LiveJob) => Promise<unknown>): Promise<void> {
  for (let n = 0; n < jobs.length; n += AT_ONCE) {
    await Promise.all(jobs.slice(n, n + AT_ONCE).map(action));
  }
}
