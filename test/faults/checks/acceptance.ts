/** Promises to the caller: what was accepted is there, is there once, and ends as it should. */
import { acceptedJobs, entriesOf, finalJobs, type Evidence, type Findings } from '../evidence.ts';

/** Every 202 is found at the end, in a terminal state, which the API shows too. */
export function acceptedJobsAreNeverLost(evidence: Evidence): Findings {
  const jobs = finalJobs(evidence);
  const accepted = [...acceptedJobs(evidence).keys()];
  const faults = accepted.flatMap((id) => {
    const job = jobs.get(id);
    if (job === undefined) return [`${id} was accepted and is gone`];
    const { state } = job.record;
    if (state === 'queued' || state === 'running') return [`${id} is still ${state}`];
    return job.viewState === state ? [] : [`${id} is ${state}, the API shows ${job.viewState}`];
  });
  return { examined: accepted.length, of: 'accepted jobs', faults };
}

/**
 * With patience every submit is accepted; until then the farm says 503 (it cannot keep its promise right now),
 * never 500 (it does not know what happened) and never an answer that blames the caller.
 */
export function submitsAreAcceptedOrPutOff(evidence: Evidence): Findings {
  const answers = entriesOf(evidence, 'answer');
  const accepted = new Set(answers.filter((entry) => entry.id !== null).map((entry) => entry.key));
  const keys = new Set(entriesOf(evidence, 'submit').map((entry) => entry.key));
  const faults = [
    ...answers
      .filter(({ id, status }) => id === null && status !== 503)
      .map(({ key, status }) => `${key} was answered ${status}`),
    ...[...keys].filter((key) => !accepted.has(key)).map((key) => `${key} was never accepted`),
  ];
  return { examined: keys.size, of: 'keys', faults };
}

/** Nothing asked for here can fail of itself, so each job succeeds, or is cancelled if someone asked for that. */
export function jobsSucceedUnlessCancelled(evidence: Evidence): Findings {
  const cancels = new Set(entriesOf(evidence, 'cancel').map((entry) => entry.id));
  const faults = evidence.end.jobs.flatMap(({ record }) => {
    if (record.state === 'failed') {
      return [`${record.id} failed: ${record.failure?.code ?? '?'}: ${record.failure?.message ?? '?'}`];
    }
    if (record.state === 'cancelled' && !cancels.has(record.id)) return [`${record.id} cancelled by nobody`];
    return [];
  });
  return { examined: evidence.end.jobs.length, of: 'jobs', faults };
}

/** However often a submit is repeated, one idempotency key stands for one job, and no job lacks a key. */
export function oneJobPerIdempotencyKey(evidence: Evidence): Findings {
  const ids = new Map<string, Set<string>>();
  for (const { id, key } of entriesOf(evidence, 'answer')) {
    if (id !== null) ids.set(key, (ids.get(key) ?? new Set()).add(id));
  }
  const faults = [...ids].flatMap(([key, found]) =>
    found.size > 1 ? [`${key} was given ${found.size} ids: ${[...found].join(', ')}`] : [],
  );
  const keys = new Set(entriesOf(evidence, 'submit').map((entry) => entry.key)).size;
  if (evidence.end.jobs.length > keys) {
    faults.push(`${keys} keys were submitted, the farm holds ${evidence.end.jobs.length} jobs`);
  }
  return { examined: ids.size, of: 'keys', faults };
}

/** A job can be read by whoever just received its 202. */
export function acceptedJobsCanBeReadAtOnce(evidence: Evidence): Findings {
  const reads = entriesOf(evidence, 'read');
  const faults = reads.filter((entry) => entry.status === 404).map((entry) => `${entry.id} answered 404`);
  return { examined: reads.length, of: 'reads', faults };
}
