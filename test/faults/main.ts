/**
 * `npm run faults -- --seed N --jobs N [--json] [--naive]`: breaks a real farm, and judges what it did meanwhile.
 * `npm run faults -- --bulk ROWS` does so with the rows of one bulk, and judges how each of them ended.
 */
import { parseArgs } from 'node:util';
import { killSession } from '../bulk/kill-session.ts';
import type { Verdict } from './checker.ts';
import { runSession, type SessionOptions, type SessionOutcome } from './session.ts';

const JOBS_MAX = 2_000;
const LOCK_SECONDS = 4;
const ROWS_MAX = 1_000_000;

// An exit of our own takes the farm along, frozen processes too.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    jobs: { type: 'string', default: '200' },
    json: { type: 'boolean', default: false },
    naive: { type: 'boolean', default: false },
    bulk: { type: 'string' },
  },
});

if (values.bulk !== undefined) {
  const { broken, bulk, polls, seconds } = await killSession(
    wholeNumber('--bulk', values.bulk, { min: 1, max: ROWS_MAX }),
  );
  for (const line of broken) console.log(`FAIL    ${line}`);
  console.log(
    `${broken.length} faults, ${polls} polls in ${seconds.toFixed(0)} s: ${JSON.stringify(bulk.counts)}`,
  );
  process.exit(broken.length > 0 ? 1 : 0);
}

const options: SessionOptions = {
  seed: wholeNumber('--seed', values.seed, { min: 0, max: 2 ** 32 - 1 }),
  jobs: wholeNumber('--jobs', values.jobs, { min: 1, max: JOBS_MAX }),
  lockSeconds: LOCK_SECONDS,
  naive: values.naive,
};
const outcome = await runSession(options);
if (values.json) printJson(options, outcome);
else printLines(options, outcome);
process.exitCode = count(outcome.verdicts, 'FAIL') > 0 ? 1 : 0;

function printLines({ seed, jobs }: SessionOptions, { verdicts, folder }: SessionOutcome): void {
  for (const { outcome: result, name, detail } of verdicts) {
    console.log(`${result.padEnd('skipped'.length)} ${name} ${detail}`);
  }
  if (count(verdicts, 'FAIL') > 0) {
    console.log(
      `\nrepeat with: npm run faults -- --seed ${seed} --jobs ${jobs}\nhistory and logs: ${folder}\n`,
    );
  }
  const [passed, failed, skipped] = (['ok', 'FAIL', 'skipped'] as const).map((kind) => count(verdicts, kind));
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
}

function printJson({ seed, jobs, naive }: SessionOptions, { verdicts, folder }: SessionOutcome): void {
  const passed = count(verdicts, 'ok');
  const failed = count(verdicts, 'FAIL');
  const skipped = count(verdicts, 'skipped');
  const kept = failed > 0 ? { folder } : {};
  console.log(JSON.stringify({ seed, jobs, naive, passed, failed, skipped, verdicts, ...kept }));
}

function count(verdicts: readonly Verdict[], kind: Verdict['outcome']): number {
  return verdicts.filter((verdict) => verdict.outcome === kind).length;
}

function wholeNumber(name: string, text: string, { min, max }: { min: number; max: number }): number {
  const value = Number(text);
  if (text !== '' && Number.isInteger(value) && value >= min && value <= max) return value;
  console.error(`${name} is '${text}'; it must be a whole number from ${min} to ${max}`);
  process.exit(2);
}
