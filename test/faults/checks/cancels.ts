/** A cancel that was acknowledged is final, and stops the work within one step. */
import { entriesOf, finalJobs, type Entry, type Evidence, type Findings } from '../evidence.ts';

/**
 * The bound on work after a cancel needs someone who can hear it. A supervisor that is frozen, and one whose
 * Redis is down, cannot: cancels so close to such a fault are not held to the bound (but to all other checks).
 */
const DEAF_MARGIN_MS = 3_000;
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

export function cancelsCostAtMostOneStep(evidence: Evidence): Findings {
  const deaf = deafTimes(evidence);
  const steps = entriesOf(evidence, 'step');
  // A job that no UNet call ever carried was cancelled while queued: nothing to stop, nothing to examine.
  const stoppable = [...acknowledgements(evidence)].filter(
    ([id, at]) =>
      steps.some((step) => step.ids.includes(id)) &&
      !deaf.some(({ from, to }) => at > from - DEAF_MARGIN_MS && at < to + DEAF_MARGIN_MS),
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

function deafTimes(evidence: Evidence): Array<{ from: number; to: number }> {
  const isDeafening = (entry: Entry): boolean =>
    entry.kind === 'fault' && (entry.fault.kind === 'supervisor_freeze' || entry.fault.kind === 'redis_kill');
  const entries = entriesOf(evidence, 'fault').filter(isDeafening);
  return entries
    .filter((entry) => entry.phase === 'begin')
    .map((begin) => {
      const end = entries.find((other) => other.phase === 'end' && other.fault.atMs === begin.fault.atMs);
      return { from: begin.at, to: end?.at ?? Number.POSITIVE_INFINITY };
    });
}
