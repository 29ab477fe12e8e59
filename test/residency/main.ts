/**
 * `npm run residency -- --seed N --jobs N [--json]`: twenty models under a budget that holds three, a mixed load, and
 * then one lane that never runs dry.
 */
import { parseArgs } from 'node:util';
import { laneModels } from '../../src/domain/lane.ts';
import type { ModelSpec } from './model-set.ts';
import { runSession, type SessionOptions, type SessionOutcome } from './session.ts';
import { seconds } from './verdicts.ts';

const JOBS_MAX = 5_000;
/** With the engine's own 50 MB it holds three: a fourth would need 530 MB. */
const BUDGET_MEGABYTES = 480;

/** About 120 MB each in memory, but for the narrow upscaler and the last. */
const MODELS: readonly ModelSpec[] = [
  { name: 'base-1', kind: 'base', channels: 400, dtype: 'F16' },
  { name: 'base-2', kind: 'base', channels: 400, dtype: 'F16', sharesWith: 'base-1' },
  { name: 'base-3', kind: 'base', channels: 400, dtype: 'F16', sharesWith: 'base-1' },
  { name: 'base-4', kind: 'base', channels: 400, dtype: 'F16', sharesWith: 'base-1' },
  { name: 'base-5', kind: 'base', channels: 400, dtype: 'F16' },
  { name: 'base-6', kind: 'base', channels: 400, dtype: 'F16' },
  { name: 'base-7', kind: 'base', channels: 384, dtype: 'F16' },
  { name: 'base-8', kind: 'base', channels: 416, dtype: 'F16' },
  { name: 'base-9', kind: 'base', channels: 400, dtype: 'F32' },
  { name: 'base-10', kind: 'base', channels: 400, dtype: 'F32' },
  { name: 'inpaint-1', kind: 'inpaint', channels: 400, dtype: 'F16' },
  { name: 'inpaint-2', kind: 'inpaint', channels: 400, dtype: 'F16', sharesWith: 'base-1' },
  { name: 'depth-1', kind: 'depth', channels: 400, dtype: 'F16' },
  { name: 'depth-2', kind: 'depth', channels: 400, dtype: 'F32', sharesWith: 'base-1' },
  { name: 'upscale-1', kind: 'upscale', channels: 352, dtype: 'F16' },
  { name: 'upscale-2', kind: 'upscale', channels: 32, dtype: 'F16' },
  { name: 'twin-of-base-1', kind: 'base', channels: 400, dtype: 'F16', sharesWith: 'base-1' },
  { name: 'unreadable', kind: 'base', channels: 400, dtype: 'F16', flaw: 'unreadable' },
  { name: 'mismatched', kind: 'base', channels: 400, dtype: 'F16', flaw: 'mismatched' },
  { name: 'too-large', kind: 'base', channels: 1024, dtype: 'F16' },
];

// An exit of our own takes the farm along.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    jobs: { type: 'string', default: '400' },
    json: { type: 'boolean', default: false },
  },
});

const options: SessionOptions = {
  seed: wholeNumber('--seed', values.seed, { min: 0, max: 2 ** 32 - 1 }),
  jobs: wholeNumber('--jobs', values.jobs, { min: MODELS.length, max: JOBS_MAX }),
  models: MODELS,
  tooLarge: ['too-large'],
  hot: ['base-1', 'base-2', 'inpaint-1'],
  upscaler: 'upscale-2',
  cold: ['base-5', 'base-6', 'base-7', 'base-8', 'base-9'],
  budgetMegabytes: BUDGET_MEGABYTES,
  maxLaneWaitSeconds: 5,
  limitSeconds: 600,
};
const outcome = await runSession(options);
if (values.json) console.log(JSON.stringify({ ...options, ...outcome, observation: undefined }));
else printTables(outcome);
process.exitCode = outcome.verdicts.some((verdict) => verdict.outcome === 'FAIL') ? 1 : 0;

function printTables({ observation, verdicts, seconds: duration, folder }: SessionOutcome): void {
  const { waits, residency, records } = observation;
  console.log(row(['lane', 'jobs', 'longest in queue', 'longest passed over']));
  for (const { lane, jobs, longestQueueMs, longestNeglectMs } of waits)
    console.log(row([lane, String(jobs), seconds(longestQueueMs), seconds(longestNeglectMs)]));
  console.log(`\n${row(['model', 'jobs', 'loads', 'longest load'])}`);
  for (const [name, loads] of [...residency.loads].toSorted(([, a], [, b]) => b.length - a.length)) {
    const jobs = records.filter(({ lane }) => laneModels(lane).includes(name)).length;
    const longest = seconds(Math.max(...loads.map(({ ms }) => ms)));
    console.log(row([name, String(jobs), String(loads.length), longest]));
  }
  console.log(`\n${observation.jobs} jobs in ${duration.toFixed(0)} s\n`);
  for (const { outcome: result, name, detail } of verdicts)
    console.log(`${result.padEnd('skipped'.length)} ${name} (${detail})`);
  if (verdicts.some((verdict) => verdict.outcome === 'FAIL')) console.log(`\nmodels and logs: ${folder}`);
}

function row([first = '', ...others]: readonly string[]): string {
  return `${first.padEnd(32)}${others.map((text) => text.padStart(20)).join('')}`;
}

function wholeNumber(name: string, text: string, { min, max }: { min: number; max: number }): number {
  const value = Number(text);
  if (text !== '' && Number.isInteger(value) && value >= min && value <= max) return value;
  console.error(`${name} is '${text}'; it must be a whole number from ${min} to ${max}`);
  process.exit(2);
}
