/** How long a caller of an idle farm waits until the first UNet call for the job begins. */
import { setTimeout as pause } from 'node:timers/promises';
import type { CreateJob } from '../src/contract/create-job.ts';
import { Random } from '../test/support/random.ts';
import { engineSteps, jobOf } from '../test/support/engine-log.ts';
import { startFarm, type Farm } from '../test/support/farm.ts';
import { createJob, untilSucceeded } from '../test/support/kiln-client.ts';
import type { BenchResult } from './report.ts';
import { percentile } from './stats.ts';

const JOBS = 30;
const SEED = 5;
/** Pauses of changing length, so that no timer of the farm runs in step with the bench. */
const IDLE_MS = { min: 100, max: 400 };

const JOB: CreateJob = {
  kind: 'txt2img',
  prompt: 'a small red cube',
  width: 128,
  height: 128,
  steps: 4,
  seed: 1,
};

export async function latencyBench(): Promise<BenchResult> {
  const farm = await startFarm({ env: { KILN_LOG_LEVEL: 'debug' } });
  try {
    const waits = await measure(farm);
    return {
      bench: 'latency',
      about: `from POST to the first UNet call, ${JOBS} jobs one by one on an idle farm with the model loaded`,
      figures: [
        { name: 'POST to first step, p50', value: percentile(waits, 50), unit: 'ms' },
        { name: 'POST to first step, p95', value: percentile(waits, 95), unit: 'ms' },
      ],
    };
  } finally {
    await farm.stop();
  }
}

async function measure(farm: Farm): Promise<number[]> {
  const random = new Random(SEED);
  // The first job loads the model.
  await untilSucceeded(farm.url, (await createJob(farm.url, JOB)).id);
  const postedAt = new Map<string, number>();
  for (let job = 0; job < JOBS; job += 1) {
    await pause(random.int(IDLE_MS.min, IDLE_MS.max));
    const at = Date.now();
    const { id } = await createJob(farm.url, JOB);
    postedAt.set(id, at);
    await untilSucceeded(farm.url, id);
  }
  const steps = engineSteps(farm);
  return [...postedAt].map(([id, at]) => {
    const first = steps.find((step) => step.samples.some((sample) => jobOf(sample) === id));
    if (first === undefined) throw new Error(`the engine's log has no step of job ${id}`);
    return first.at - first.ms - at;
  });
}
