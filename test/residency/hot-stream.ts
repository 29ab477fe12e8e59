/** One lane that never runs dry, and jobs for models that are not in memory: those must get their turn all the same. */
import { setTimeout as pause } from 'node:timers/promises';
import type { CreateTxt2Img } from '../../src/contract/create-job.ts';
import type { JobView } from '../../src/contract/job.ts';
import { createJob, untilSucceeded } from '../support/kiln-client.ts';

export interface HotStreamOptions {
  readonly hot: string;
  /** One job is sent for each, all at once. */
  readonly cold: readonly string[];
  readonly limitMs: number;
}

export interface HotStream {
  readonly cold: number;
  /** Of the cold jobs that have succeeded, from coming to start. */
  readonly queueMs: readonly number[];
  /** What the callers of the hot model got meanwhile. */
  readonly hotJobs: number;
}

/** More than an engine takes in at once, so that some always wait. */
const CALLERS = 24;
const WAIT_SECONDS = 30;
const POLL_MS = 50;

export async function runHotStream(url: string, options: HotStreamOptions): Promise<HotStream> {
  const { hot, cold, limitMs } = options;
  let hotJobs = 0;
  let isOver = false;
  const call = async (): Promise<void> => {
    while (!isOver) {
      const { state } = await createJob(url, requestFor(hot), WAIT_SECONDS);
      if (state === 'succeeded') hotJobs++;
    }
  };
  const callers = Promise.all(Array.from({ length: CALLERS }, call));
  const lookOn = async (): Promise<JobView[]> => {
    while (hotJobs < CALLERS) await pause(POLL_MS);
    const jobs = await Promise.all(cold.map((model) => createJob(url, requestFor(model))));
    const ends = await Promise.allSettled(jobs.map(({ id }) => untilSucceeded(url, id, limitMs)));
    return ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : []));
  };
  try {
    const succeeded = await Promise.race([lookOn(), callers.then(() => [])]);
    return { cold: cold.length, queueMs: succeeded.map(({ timings }) => timings.queue_ms ?? 0), hotJobs };
  } finally {
    isOver = true;
    await callers;
  }
}

function requestFor(model: string): CreateTxt2Img {
  return {
    kind: 'txt2img',
    model,
    prompt: 'a red sphere',
    width: 64,
    height: 64,
    steps: 4,
    sampler: 'euler',
  };
}
