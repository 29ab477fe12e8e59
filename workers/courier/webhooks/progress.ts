/**
 * Progress is told from the records, at most once in so many seconds a job: however fast the steps are, and however
 * many couriers look.
 */
import { tell, type IntakeParts } from './intake.ts';

const JOBS_A_LOOK = 200;

/** One look at the running jobs whose progress is wanted and due. */
export async function tellProgress(
  parts: Pick<IntakeParts, 'deliveries' | 'progress' | 'readJob' | 'fallback' | 'wake' | 'log'>,
): Promise<void> {
  const due = await parts.progress.takeDue(JOBS_A_LOOK);
  await Promise.all(
    due.map(async (ref) => {
      const job = await parts.readJob(ref);
      // Queued again: its next start makes it watched again.
      if (job?.state !== 'running') return parts.progress.forget([ref]);
      const { step } = job.progress;
      if (step === 0) return;
      // The id has the step, so that a job that stands still is told of once.
      await tell(job.params.webhook, { ref, event: 'progress', at: Date.now(), occurrence: step }, parts);
    }),
  );
}
