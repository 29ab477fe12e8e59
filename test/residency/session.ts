/** A residency session: many model folders under a small budget, a mixed burst of jobs, and what became of them. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { allRecords } from '../faults/collect.ts';
import { openBooks } from '../support/books.ts';
import { startFarm, type Farm } from '../support/farm.ts';
import { submitAll, untilAllEnded, uploadInputs } from './caller.ts';
import { runHotStream } from './hot-stream.ts';
import { laneWaits } from './lane-waits.ts';
import { MemoryProbe } from './memory-probe.ts';
import { writeModelSet, type ModelSpec } from './model-set.ts';
import { judge, type Observation, type Verdict } from './verdicts.ts';
import { readResidency } from './worker-log.ts';
import { planJobs } from './workload.ts';

export interface SessionOptions {
  readonly seed: number;
  readonly jobs: number;
  readonly models: readonly ModelSpec[];
  readonly tooLarge: readonly string[];
  readonly hot: readonly string[];
  readonly upscaler: string | null;
  /** After the mixed load, jobs for these while the first hot model is wanted without end; none leaves that out. */
  readonly cold: readonly string[];
  readonly budgetMegabytes: number;
  readonly maxLaneWaitSeconds: number;
  /** After which the session gives up on jobs that have not ended. */
  readonly limitSeconds: number;
}

export interface SessionOutcome {
  readonly observation: Observation;
  readonly verdicts: readonly Verdict[];
  readonly seconds: number;
  /** Models, logs and images: kept only when a promise was broken. */
  readonly folder: string;
}

/** Rejects only when the farm cannot be brought up. */
export async function runSession(options: SessionOptions): Promise<SessionOutcome> {
  const folder = await mkdtemp(join(tmpdir(), `kiln-residency-seed-${options.seed}-`));
  const [models, own] = [join(folder, 'models'), join(folder, 'farm')];
  await mkdir(own);
  await writeModelSet(models, options.models);
  const farm = await startFarm({
    folder: own,
    env: {
      KILN_MODELS_DIR: models,
      KILN_VRAM_BUDGET: `${options.budgetMegabytes}MB`,
      KILN_MAX_LANE_WAIT: String(options.maxLaneWaitSeconds),
    },
  });
  const startedAt = performance.now();
  const observation = await observeAndStop(farm, options);
  const seconds = (performance.now() - startedAt) / 1_000;
  const verdicts = judge(observation);
  if (!verdicts.some(({ outcome }) => outcome === 'FAIL')) await rm(folder, { recursive: true });
  return { observation, verdicts, seconds, folder };
}

async function observeAndStop(farm: Farm, options: SessionOptions): Promise<Observation> {
  try {
    return await observe(farm, options);
  } finally {
    await farm.stop();
  }
}

async function observe(farm: Farm, options: SessionOptions): Promise<Observation> {
  const [worker] = farm.supervisors;
  if (worker === undefined) throw new Error('the farm has no worker');
  const inputs = await uploadInputs(farm.url);
  const probe = new MemoryProbe(worker);
  const { refused } = await submitAll(farm.url, planJobs({ ...options, inputs }));
  await untilAllEnded(farm.url, options.limitSeconds * 1_000);
  const books = openBooks(farm.config);
  const records = await allRecords(books.records);
  await books.close();

  const { cold, limitSeconds } = options;
  const [hot = ''] = options.hot;
  const hotStream =
    cold.length === 0 ? null : await runHotStream(farm.url, { hot, cold, limitMs: limitSeconds * 1_000 });
  const memory = await probe.stop();
  const taken = records.flatMap(({ lane, createdAt, startedAt }) =>
    startedAt === null ? [] : [{ lane, createdAt, startedAt }],
  );
  return {
    models: options.models,
    tooLarge: options.tooLarge,
    budgetBytes: options.budgetMegabytes * 1e6,
    maxLaneWaitMs: options.maxLaneWaitSeconds * 1_000,
    jobs: options.jobs,
    records,
    refused,
    waits: laneWaits(taken),
    residency: await readResidency(worker.logFile),
    memory,
    hotStream,
  };
}
