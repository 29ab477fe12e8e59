/** A cancel that was acknowledged is final, and stops the work within one step. */
import { entriesOf, finalJobs, type EntryOf, type Evidence, type Findings } from '../evidence.ts';

/** Around an outage or a freeze, a cancel reaches nobody, and the log of a frozen supervisor comes late. */
const DEAF_MARGIN_MS = 2_000;
const MOST_STEPS_AFTER_CANCEL = 1;

/**
 * The word of a cancel needs a moment to reach the engine (Redis, supervisor, its child). A step of a real model
 * is longer than that; the tests' models step in milliseconds, and must not be blamed for what they did meanwhile.
 */
const HEARING_MS = 250;

export function cancelsAreFinal(evidence: Evidence): Findings {
  const jobs = finalJobs(evidence);
  const acknowledged = acknowledgements(evidence);
  const faults = [...acknowledged.keys()].flatMap((id) => {
    const job = jobs.get(id);
    if (job === undefined) return [`${id} is gone`];
    if (job.record.state !== 'cancelled') return [`${id} was cancelled and is ${job.record.state}`];
    return job.moves.some((move) => move.to === 'succeeded') ? [`${id} was cancelled and succeeded`] : [];
  });
  return { examined: acknowledged.size, of: 'acknowledged cancels', faults };
}

/**
 * The bound on work after a cancel needs someone who can hear it: cancels while Redis was away, and steps of an
 * engine whose supervisor was frozen, are not held to it (but to all other checks).
 */
export function cancelsCostAtMostOneStep(evidence: Evidence): Findings {
  const outages = faultTimes(evidence, 'redis_kill');
  const freezes = faultTimes(evidence, 'supervisor_freeze');
  const steps = entriesOf(evidence, 'step').filter(
    ({ at, worker }) => !freezes.some((freeze) => worker === freeze.worker && isNear(at, freeze)),
  );
  // A job that no UNet call ever carried was cancelled while queued: nothing to stop, nothing to examine.
  const stoppable = [...acknowledgements(evidence)].filter(
    ([id, at]) =>
      steps.some((step) => step.ids.includes(id)) && !outages.some((outage) => isNear(at, outage)),
  );
  const faults = stoppable.flatMap(([id, at]) => {
    const late = steps.filter((step) => step.at > at + HEARING_MS && step.ids.includes(id)).length;
    return late > MOST_STEPS_AFTER_CANCEL ? [`${id} was stepped ${late} times after its cancel`] : [];
  });
  return { examined: stoppable.length, of: 'cancels of started jobs', faults };
}

/** Id -> when the first answer said `cancelled`. */
function acknowledgements(evidence: Evidence): Map<string, number> {
  const first = new Map<string, number>();
  for (const { id, at, state } of entriesOf(evidence, 'cancel_answer')) {
    if (state === 'cancelled' && !first.has(id)) first.set(id, at);
  }
  return first;
}

interface FaultTime {
  readonly from: number;
  readonly to: number;
  /** The process that the fault hit, if it was a supervisor. */
  readonly worker: string | null;
}

function faultTimes(evidence: Evidence, kind: EntryOf<'fault'>['fault']['kind']): FaultTime[] {
  const entries = entriesOf(evidence, 'fault').filter((entry) => entry.fault.kind === kind);
  return entries
    .filter((entry) => entry.phase === 'begin')
    .map(({ at, fault }) => ({
      from: at,
      to:
        entries.find((other) => other.phase === 'end' && other.fault.atMs === fault.atMs)?.at ??
        Number.POSITIVE_INFINITY,
      worker: 'supervisor' in fault ? `supervisor-${fault.supervisor}` : null,
    }));
}

function isNear(at: number, { from, to }: FaultTime): boolean {
  return at > from - DEAF_MARGIN_MS && at < to + DEAF_MARGIN_MS;
}
