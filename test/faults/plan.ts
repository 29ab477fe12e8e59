/** What a fault run will do and when: a pure function of seed and size, so that a failing seed can be repeated. */
import { Random } from '../support/random.ts';
import { SETTING_NAMES, type SettingName } from './settings.ts';

export interface PlannedJob {
  readonly index: number;
  readonly client: number;
  /** The Idempotency-Key; every retry of the submit carries the same. */
  readonly key: string;
  readonly setting: SettingName;
  readonly submitAtMs: number;
  /** A caller who never saw an answer: the job is submitted once more although it was accepted. */
  readonly repeat: boolean;
  /** Cancelled so long after it was accepted, or was seen running; or never. */
  readonly cancel: { readonly after: 'accepted' | 'running'; readonly ms: number } | null;
}

export const FAULT_KINDS = [
  'engine_kill',
  'supervisor_kill',
  'supervisor_freeze',
  'supervisor_drain',
  'api_kill',
  'redis_kill',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export type Fault =
  | {
      readonly kind: 'engine_kill' | 'supervisor_kill' | 'supervisor_drain';
      readonly atMs: number;
      readonly supervisor: number;
    }
  | {
      readonly kind: 'supervisor_freeze';
      readonly atMs: number;
      readonly supervisor: number;
      /**
       * `takeover` wakes it the moment another worker has one of its jobs, when both believe to hold it; `time` when
       * most of them have long been ended by others.
       */
      readonly until: 'takeover' | 'time';
      /** At most. */
      readonly forMs: number;
    }
  | { readonly kind: 'api_kill'; readonly atMs: number }
  | { readonly kind: 'redis_kill'; readonly atMs: number; readonly forMs: number };

export interface Plan {
  readonly seed: number;
  readonly jobs: readonly PlannedJob[];
  readonly faults: readonly Fault[];
}

export interface PlanSize {
  readonly jobs: number;
  readonly clients: number;
  readonly supervisors: number;
  /** A freeze lasts longer than this, so that the frozen worker's jobs go to another. */
  readonly lockMs: number;
  /** Jobs submitted for each fault; every kind happens at least once. */
  readonly jobsPerFault: number;
  readonly kinds: readonly FaultKind[];
}

const FAULT_GAP_MS = { min: 800, max: 2_400 };
const REDIS_DOWN_MS = { min: 200, max: 1_200 };
const CANCEL_SHARE = 0.25;
/** Of the cancels; the others wait until the job runs, and then hurry, for it may soon be done. */
const CANCEL_QUEUED_SHARE = 0.3;
const REPEAT_SHARE = 0.1;

export function makePlan(seed: number, size: PlanSize): Plan {
  const random = new Random(seed);
  const faults = planFaults(random, size);
  const windowMs = (faults.at(-1)?.atMs ?? 0) + FAULT_GAP_MS.max;
  return { seed, jobs: planJobs(random, size, windowMs), faults };
}

function planFaults(random: Random, size: PlanSize): Fault[] {
  const count = Math.max(size.kinds.length, Math.round(size.jobs / size.jobsPerFault));
  // Round after round of all kinds in a new order: a long run has every kind about equally often.
  const kinds = Array.from({ length: Math.ceil(count / size.kinds.length) }, () =>
    random.shuffle(size.kinds),
  ).flat();
  const firstSupervisor = random.int(0, size.supervisors - 1);
  let atMs = 0;
  return kinds.slice(0, count).map((kind, index) => {
    atMs += random.int(FAULT_GAP_MS.min, FAULT_GAP_MS.max);
    // By turns: one that is being repaired cannot be broken again.
    return planFault(random, { kind, atMs, supervisor: (firstSupervisor + index) % size.supervisors }, size);
  });
}

function planFault(
  random: Random,
  { kind, atMs, supervisor }: { kind: FaultKind; atMs: number; supervisor: number },
  { lockMs }: PlanSize,
): Fault {
  switch (kind) {
    case 'api_kill':
      return { kind, atMs };
    case 'redis_kill':
      return { kind, atMs, forMs: random.int(REDIS_DOWN_MS.min, REDIS_DOWN_MS.max) };
    case 'supervisor_freeze': {
      const until = random.pick(['takeover', 'time'] as const);
      return { kind, atMs, supervisor, until, forMs: Math.round(lockMs * (1.5 + random.next())) };
    }
    case 'engine_kill':
    case 'supervisor_kill':
    case 'supervisor_drain':
      return { kind, atMs, supervisor };
  }
}

function planJobs(random: Random, size: PlanSize, windowMs: number): PlannedJob[] {
  return Array.from({ length: size.jobs }, (_, index) => ({
    index,
    client: index % size.clients,
    key: `seeded-job-${index}`,
    setting: random.pick(SETTING_NAMES),
    submitAtMs: random.int(0, windowMs),
    repeat: random.chance(REPEAT_SHARE),
    cancel: planCancel(random),
  }));
}

function planCancel(random: Random): PlannedJob['cancel'] {
  if (!random.chance(CANCEL_SHARE)) return null;
  return random.chance(CANCEL_QUEUED_SHARE)
    ? { after: 'accepted', ms: random.int(0, 300) }
    : { after: 'running', ms: random.int(0, 50) };
}
