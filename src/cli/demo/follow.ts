import { setTimeout as pause } from 'node:timers/promises';
import { MultiBar, Presets, type SingleBar } from 'cli-progress';
import type { JobView } from '../../contract/job.ts';
import type { KilnClient } from '../client.ts';
import { shortPrompt } from './results.ts';

const POLL_MS = 250;

interface Display {
  show(jobs: readonly JobView[]): void;
  close(): void;
}

/**
 * Shows the jobs until each has ended, and resolves with them in the order of `submitted`.
 * @param signal ends the wait with an error
 */
export async function followJobs(
  client: KilnClient,
  submitted: readonly JobView[],
  signal: AbortSignal,
): Promise<JobView[]> {
  const display = process.stdout.isTTY ? bars(submitted) : lines(submitted.length);
  try {
    for (;;) {
      const byId = new Map((await client.jobs(submitted.length)).map((job) => [job.id, job]));
      const jobs = submitted.map((job) => byId.get(job.id) ?? job);
      display.show(jobs);
      if (jobs.every(hasEnded)) return jobs;
      await pause(POLL_MS, undefined, { signal });
    }
  } finally {
    display.close();
  }
}

function hasEnded({ state }: JobView): boolean {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled';
}

/** A bar for each job, moving in place. */
function bars(submitted: readonly JobView[]): Display {
  const multi = new MultiBar(
    { format: '  {bar} {step} {state} {prompt}', barsize: 24, hideCursor: true, clearOnComplete: false },
    Presets.shades_classic,
  );
  const byId = new Map<string, SingleBar>();
  for (const job of submitted) byId.set(job.id, multi.create(1, 0, payload(job)));
  return {
    show: (jobs) => {
      for (const job of jobs) {
        const bar = byId.get(job.id);
        bar?.setTotal(Math.max(1, job.progress.steps));
        bar?.update(job.progress.step, payload(job));
      }
    },
    close: () => multi.stop(),
  };
}

function payload(job: JobView): { step: string; state: string; prompt: string } {
  return {
    step: `${job.progress.step}/${job.progress.steps}`.padStart(6),
    state: job.state.padEnd(9),
    prompt: shortPrompt(job),
  };
}

/** A line for each job that ends, for logs. */
function lines(total: number): Display {
  const told = new Set<string>();
  return {
    show: (jobs) => {
      for (const job of jobs.filter((candidate) => hasEnded(candidate) && !told.has(candidate.id))) {
        told.add(job.id);
        console.log(`  ${String(told.size).padStart(2)}/${total}  ${job.state}  ${shortPrompt(job)}`);
      }
    },
    close: () => undefined,
  };
}
