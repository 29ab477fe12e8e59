/**
 * Who checks the checker? The same storm over naive workers must be caught, and for the right reason: a job that
 * ended twice, or was billed twice.
 */
import { join } from 'node:path';
import { packageRoot } from '../../src/paths.ts';
import type { FarmOptions } from '../support/farm.ts';
import type { CheckName, Verdict } from './checker.ts';
import type { Plan } from './plan.ts';
import { SETTING_NAMES } from './settings.ts';

export const NAIVE_WORKER: NonNullable<FarmOptions['worker']> = {
  entry: join(packageRoot(), 'test/faults/naive-worker.ts'),
  execArgv: ['--import', 'tsx'],
};

export const CONTROL_LOCK_SECONDS = 1;
const CONTROL_JOBS = 16;
const CONTROL_GAP_MS = 60;
/** Longer than lock, stalled check and the job itself together, so that another worker has ended it meanwhile. */
const CONTROL_FREEZE = { atMs: 500, forMs: 3_500 };

/** The shortest storm that a naive worker cannot survive: one of two is frozen past its locks, and wakes up. */
export function controlPlan(): Plan {
  return {
    seed: 0,
    faults: [{ kind: 'supervisor_freeze', supervisor: 0, until: 'time', ...CONTROL_FREEZE }],
    jobs: Array.from({ length: CONTROL_JOBS }, (_, index) => ({
      index,
      client: 0,
      key: `control-job-${index}`,
      setting: SETTING_NAMES[index % SETTING_NAMES.length] ?? 'quick',
      submitAtMs: index * CONTROL_GAP_MS,
      repeat: false,
      cancel: null,
    })),
  };
}

const FENCING_CHECKS: readonly CheckName[] = [
  'one-terminal-state-each',
  'only-legal-moves',
  'only-the-newest-fence-commits',
  'successes-billed-once',
];

/** Passes when the verdicts over a naive run contain what only a missing fence explains. */
export function judgeControl(verdicts: readonly Verdict[]): Verdict {
  const caught = verdicts.filter(({ outcome }) => outcome === 'FAIL').map(({ name }) => name);
  const byFence = caught.filter((name) => FENCING_CHECKS.includes(name));
  return byFence.length > 0
    ? { name: 'negative-control', outcome: 'ok', detail: `a naive worker is caught by ${caught.join(', ')}` }
    : {
        name: 'negative-control',
        outcome: 'FAIL',
        detail: `a naive worker went unnoticed; failed checks: ${caught.join(', ') || 'none'}`,
      };
}
