import { expect, it } from 'vitest';
import { runSession } from './session.ts';

const SEED = 5;
const JOBS = 36;
/** The shortest that leaves a busy machine time to renew a lock. */
const LOCK_SECONDS = 2;

it('keeps every promise while its processes are killed, frozen and drained, and a naive worker does not', async () => {
  const { verdicts, folder } = await runSession({
    seed: SEED,
    jobs: JOBS,
    lockSeconds: LOCK_SECONDS,
    naive: false,
  });
  const lines = verdicts.map(({ outcome, name, detail }) => `${outcome} ${name} ${detail}`);
  expect(
    lines.filter((line) => line.startsWith('FAIL')),
    `history and logs: ${folder}`,
  ).toEqual([]);
  expect(verdicts.filter(({ outcome }) => outcome === 'ok').length).toBeGreaterThan(15);
}, 120_000);
