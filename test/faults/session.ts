/** A whole fault session: the calm run, the storm, the verdicts, and the negative control. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startFarm, type FarmOptions } from '../support/farm.ts';
import { renderInCalm } from './calm.ts';
import { check, type Verdict } from './checker.ts';
import type { Evidence } from './evidence.ts';
import { History } from './history.ts';
import { controlPlan, CONTROL_LOCK_SECONDS, judgeControl, NAIVE_WORKER } from './negative-control.ts';
import { FAULT_KINDS, makePlan, type Plan } from './plan.ts';
import { runStorm } from './storm.ts';

export interface SessionOptions {
  readonly seed: number;
  readonly jobs: number;
  readonly lockSeconds: number;
  /** The storm over naive workers instead: the only verdict is whether they were caught. */
  readonly naive: boolean;
}

export interface SessionOutcome {
  readonly verdicts: readonly Verdict[];
  /** History, logs and images: kept only when a check failed. */
  readonly folder: string;
}

interface Calm {
  readonly imagesFolder: string;
  readonly expected: Evidence['expected'];
}

interface Storm {
  /** Names the storm's folder inside the session's. */
  readonly name: string;
  readonly plan: Plan;
  readonly lockSeconds: number;
  readonly naive: boolean;
}

const SUPERVISORS = 2;
const CLIENTS = 4;
const JOBS_PER_FAULT = 12;

/** Small and quick to repair, and each engine on one core, so that two of them share a small machine. */
const ENVIRONMENT = {
  KILN_LOG_LEVEL: 'debug',
  KILN_THREADS: '1',
  KILN_MAX_BATCH_SIZE: '4',
  KILN_RECONCILE_SECONDS: '1',
  KILN_DRAIN_SECONDS: '2',
};

/** Rejects only when a farm cannot be brought up; what goes wrong in it becomes a failed verdict. */
export async function runSession(options: SessionOptions): Promise<SessionOutcome> {
  const { seed, lockSeconds } = options;
  const folder = await mkdtemp(join(tmpdir(), `kiln-faults-seed-${seed}-`));
  const calm = await calmRun(folder);
  const plan = planOf(options);
  const verdicts: Verdict[] = [];
  if (options.naive) {
    const storm = { name: 'naive', plan, lockSeconds, naive: true };
    verdicts.push(judgeControl(await stormVerdicts(folder, calm, storm)));
  } else {
    const storm = { name: 'storm', plan, lockSeconds, naive: false };
    verdicts.push(...(await stormVerdicts(folder, calm, storm)));
    const control = { name: 'control', plan: controlPlan(), lockSeconds: CONTROL_LOCK_SECONDS, naive: true };
    verdicts.push(judgeControl(await stormVerdicts(folder, calm, control)));
  }
  if (!verdicts.some(({ outcome }) => outcome === 'FAIL')) await rm(folder, { recursive: true });
  return { verdicts, folder };
}

function planOf({ seed, jobs, lockSeconds }: SessionOptions): Plan {
  return makePlan(seed, {
    jobs,
    clients: CLIENTS,
    supervisors: SUPERVISORS,
    lockMs: lockSeconds * 1_000,
    jobsPerFault: JOBS_PER_FAULT,
    kinds: FAULT_KINDS,
  });
}

async function calmRun(folder: string): Promise<Calm> {
  const imagesFolder = join(folder, 'calm-images');
  const farm = await startFarm({ env: ENVIRONMENT, folder: await emptyFolder(folder, 'calm') });
  try {
    return { imagesFolder, expected: await renderInCalm({ url: farm.url, imagesFolder }) };
  } finally {
    await farm.stop();
  }
}

async function stormVerdicts(folder: string, calm: Calm, storm: Storm): Promise<Verdict[]> {
  const own = await emptyFolder(folder, storm.name);
  const options: FarmOptions = {
    folder: own,
    supervisors: SUPERVISORS,
    env: {
      ...ENVIRONMENT,
      KILN_LOCK_SECONDS: String(storm.lockSeconds),
      ...(storm.naive ? { NAIVE_IMAGES_DIR: calm.imagesFolder } : {}),
    },
    ...(storm.naive ? { worker: NAIVE_WORKER } : {}),
  };
  const farm = await startFarm(options);
  const history = new History(join(own, 'history.jsonl'));
  try {
    return check(await runStorm({ farm, plan: storm.plan, history, expected: calm.expected }));
  } finally {
    history.close();
    await farm.stop();
  }
}

async function emptyFolder(parent: string, name: string): Promise<string> {
  const folder = join(parent, name);
  await mkdir(folder);
  return folder;
}
