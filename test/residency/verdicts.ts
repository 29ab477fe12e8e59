/** From what a residency session saw to whether the farm kept its promises. Pure. */
import type { JobRecord } from '../../src/domain/job.ts';
import { laneModels } from '../../src/domain/lane.ts';
import type { Refusal } from './caller.ts';
import type { HotStream } from './hot-stream.ts';
import type { LaneWait } from './lane-waits.ts';
import type { MemoryPeaks } from './memory-probe.ts';
import type { ModelSpec } from './model-set.ts';
import type { Residency } from './worker-log.ts';

export interface Observation {
  readonly models: readonly ModelSpec[];
  /** Larger than the budget. */
  readonly tooLarge: readonly string[];
  readonly budgetBytes: number;
  readonly maxLaneWaitMs: number;
  readonly jobs: number;
  readonly records: readonly JobRecord[];
  readonly refused: readonly Refusal[];
  readonly waits: readonly LaneWait[];
  readonly residency: Residency;
  readonly memory: MemoryPeaks;
  /** Null when there was none. */
  readonly hotStream: HotStream | null;
}

export interface Verdict {
  readonly name: string;
  readonly outcome: 'ok' | 'FAIL' | 'skipped';
  readonly detail: string;
}

interface Finding {
  /** What was counted or measured. */
  readonly seen: string;
  readonly faults: readonly string[];
}

/** Over the budget, for what allocators round up and a load takes on the way. */
const MEMORY_MARGIN = 1.15;
/** What a lane's turn may cost the lanes after it: a load, and the work it has to pay for itself with. */
const LOADS_PER_TURN = 5;
/** Samples that an engine on a CPU takes in, and that may be due before the one whose turn it is. */
const SAMPLES_AHEAD = 10;
const FAULTS_SHOWN = 3;
const MB = 1e6;

const PROMISES = [
  { name: 'every-job-ends-as-it-should', judge: jobsEnd },
  { name: 'unusable-models-are-refused-with-the-reason', judge: unusableAreRefused },
  { name: 'a-broken-model-harms-no-other', judge: brokenHarmsNoOther },
  { name: 'no-lane-starves', judge: noLaneStarves },
  { name: 'a-hot-lane-keeps-no-other-out', judge: hotLaneKeepsNoneOut },
  { name: 'loads-are-counted', judge: loadsAreCounted },
  { name: 'memory-stays-in-the-budget', judge: memoryStays },
] as const;

export function judge(observation: Observation): Verdict[] {
  return PROMISES.map((promise) => {
    const finding = promise.judge(observation);
    if (finding === null) return { name: promise.name, outcome: 'skipped', detail: 'not looked at' };
    const { seen, faults } = finding;
    const shown = faults.slice(0, FAULTS_SHOWN).join('; ');
    const more = faults.length > FAULTS_SHOWN ? `; and ${faults.length - FAULTS_SHOWN} more` : '';
    const detail = faults.length === 0 ? seen : `${seen}: ${shown}${more}`;
    return { name: promise.name, outcome: faults.length === 0 ? 'ok' : 'FAIL', detail };
  });
}

/**
 * How long a lane may be passed over: its wait until it is due, then one turn of every lane, its own last. A turn
 * waits until loads are affordable again, and for what the engine has taken in before.
 */
function neglectBoundMs({ maxLaneWaitMs, records }: Observation, lanes: number, loadMs: number): number {
  const starts = records.flatMap(({ startedAt }) => (startedAt === null ? [] : [startedAt]));
  const meanGapMs = (Math.max(...starts) - Math.min(...starts)) / Math.max(1, starts.length - 1);
  return maxLaneWaitMs + lanes * (LOADS_PER_TURN * loadMs + SAMPLES_AHEAD * meanGapMs);
}

function jobsEnd({ jobs, records, refused, models }: Observation): Finding {
  const mismatched = namesOf(models, 'mismatched');
  const faults = records.flatMap(({ id, lane, state, failure }) => {
    const hasToFail = laneModels(lane).some((model) => mismatched.includes(model));
    if (state === (hasToFail ? 'failed' : 'succeeded')) return [];
    return [
      `${id} in ${lane} is ${state}${failure === null ? '' : ` (${failure.code}: ${failure.message})`}`,
    ];
  });
  const answered = records.length + refused.length;
  if (answered !== jobs) faults.push(`${jobs} jobs were sent, ${answered} answered`);
  const succeeded = records.filter(({ state }) => state === 'succeeded').length;
  return { seen: `${succeeded} of ${jobs} jobs succeeded, ${refused.length} were refused`, faults };
}

function unusableAreRefused({ models, tooLarge, refused, records }: Observation): Finding {
  const unreadable = namesOf(models, 'unreadable');
  const faults = [...unreadable, ...tooLarge].flatMap((name) => {
    const word = tooLarge.includes(name) ? 'KILN_VRAM_BUDGET' : 'safetensors';
    const its = refused.filter(({ model }) => model === name);
    const wrong = its.filter(({ code, detail }) => code !== 'model_unusable' || !detail.includes(word));
    const taken = records.filter(({ lane }) => laneModels(lane).includes(name));
    return [
      ...(its.length === 0 ? [`no job for ${name} was refused`] : []),
      ...wrong.map(({ code, detail }) => `${name} was refused with ${code}: ${detail}`),
      ...taken.map(({ id }) => `${id} for ${name} was taken`),
    ];
  });
  for (const { model, code, detail } of refused)
    if (![...unreadable, ...tooLarge].includes(model))
      faults.push(`${model} was refused (${code}: ${detail})`);
  const [some] = refused;
  return { seen: some === undefined ? 'nothing was refused' : `such as: ${some.detail}`, faults };
}

function brokenHarmsNoOther({ models, records, residency }: Observation): Finding {
  const mismatched = namesOf(models, 'mismatched');
  const failed = records.filter(({ state }) => state === 'failed');
  const faults = failed.flatMap(({ id, lane, failure }) => {
    const isIts = laneModels(lane).some((model) => mismatched.includes(model));
    return isIts && failure?.code === 'model_broken' ? [] : [`${id} in ${lane} failed: ${failure?.message}`];
  });
  if (residency.engineDeaths > 0) faults.push(`the engine died ${residency.engineDeaths} times`);
  if (mismatched.length > 0 && failed.length === 0) faults.push('no job of a broken model failed');
  const [some] = failed;
  return { seen: firstLine(some?.failure?.message ?? 'nothing failed'), faults };
}

function noLaneStarves(observation: Observation): Finding {
  const bound = neglectBoundMs(observation, observation.waits.length, mean(loadTimes(observation)));
  const faults = observation.waits
    .filter(({ longestNeglectMs }) => longestNeglectMs > bound)
    .map(({ lane, longestNeglectMs }) => `${lane} was passed over for ${seconds(longestNeglectMs)}`);
  const longest = observation.waits[0]?.longestNeglectMs ?? 0;
  return {
    seen: `longest ${seconds(longest)}, bound ${seconds(bound)}, ${observation.waits.length} lanes`,
    faults,
  };
}

function hotLaneKeepsNoneOut(observation: Observation): Finding | null {
  const { hotStream } = observation;
  if (hotStream === null) return null;
  const { cold, queueMs, hotJobs } = hotStream;
  // The turns of the cold lanes and of the hot one: so few that one slow load shows.
  const bound = neglectBoundMs(observation, cold + 1, Math.max(0, ...loadTimes(observation)));
  const faults = queueMs.filter((ms) => ms > bound).map((ms) => `a job waited for ${seconds(ms)}`);
  if (queueMs.length < cold) faults.push(`${cold - queueMs.length} of ${cold} cold jobs did not succeed`);
  const longest = seconds(Math.max(0, ...queueMs));
  return {
    seen: `cold jobs waited for up to ${longest}, bound ${seconds(bound)}, ${hotJobs} hot ones meanwhile`,
    faults,
  };
}

function loadsAreCounted({ records, residency }: Observation): Finding {
  const used = new Set(
    records.filter(({ state }) => state === 'succeeded').flatMap(({ lane }) => laneModels(lane)),
  );
  const faults = [...used]
    .filter((name) => !residency.loads.has(name))
    .map((name) => `no load of ${name} was counted, though it rendered`);
  const loads = [...residency.loads.values()].reduce((sum, its) => sum + its.length, 0);
  if (loads > records.length) faults.push(`${loads} loads for ${records.length} jobs`);
  return {
    seen: `${loads} loads of ${used.size} models for ${records.length} jobs, at most ${residency.mostAtOnce} in memory`,
    faults,
  };
}

function memoryStays({ budgetBytes, memory }: Observation): Finding | null {
  if (memory.looks === 0) return null;
  const limit = budgetBytes * MEMORY_MARGIN;
  const faults = Object.entries({ anonymous: memory.anonymous, dirty: memory.dirty })
    .filter(([, bytes]) => bytes > limit)
    .map(([what, bytes]) => `${megabytes(bytes)} were ${what}`);
  return {
    seen: `at most ${megabytes(memory.anonymous)} private of a budget of ${megabytes(budgetBytes)}`,
    faults,
  };
}

function namesOf(models: readonly ModelSpec[], flaw: ModelSpec['flaw']): string[] {
  return models.filter((model) => model.flaw === flaw).map(({ name }) => name);
}

function loadTimes({ residency }: Observation): number[] {
  return [...residency.loads.values()].flat().map(({ ms }) => ms);
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

export function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

export function megabytes(bytes: number): string {
  return `${Math.round(bytes / MB)} MB`;
}
