/** The callers: they submit, retry what is in doubt with the same key, read what they got, and change their mind. */
import { setTimeout as pause } from 'node:timers/promises';
import { isState } from './evidence.ts';
import type { History } from './history.ts';
import type { PlannedJob } from './plan.ts';
import { SETTINGS } from './settings.ts';

const ANSWER_LIMIT_MS = 5_000;
const RETRY_PAUSE_MS = 100;
/** A farm that takes longer to come back has failed: its callers give up, and the checker will say so. */
const PATIENCE_MS = 60_000;

export interface Callers {
  readonly url: string;
  readonly history: History;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** Lives through one planned job, from its submit to its cancel, if it has one. */
export async function runCaller(job: PlannedJob, callers: Callers): Promise<void> {
  await pause(job.submitAtMs);
  const id = await submit(job, callers);
  if (id === null) return;
  await readOnce(id, callers);
  if (job.repeat) await submit(job, callers);
  if (job.cancel === null) return;
  if (job.cancel.after === 'running') await untilNotQueued(id, callers);
  await pause(job.cancel.ms);
  await cancel(id, callers);
}

/** The id of the accepted job; null when the farm refused it for good or did not answer in time. */
function submit(job: PlannedJob, { url, history }: Callers): Promise<string | null> {
  return untilAnswered(async () => {
    history.add({ kind: 'submit', key: job.key, setting: job.setting });
    const answer = await post(`${url}/v1/jobs`, { key: job.key, body: SETTINGS[job.setting] });
    if (typeof answer === 'string') {
      history.add({ kind: 'in_doubt', key: job.key, reason: answer });
      return undefined;
    }
    // 202 when it was accepted, 200 when a repeated submit finds its job ended.
    const isAccepted = answer.status === 202 || answer.status === 200;
    const id = isAccepted ? stringField(answer.body, 'id') : null;
    history.add({ kind: 'answer', key: job.key, status: answer.status, id });
    return isTemporary(answer) ? undefined : id;
  });
}

async function readOnce(id: string, { url, history }: Callers): Promise<void> {
  const answer = await request(`${url}/v1/jobs/${id}`, {});
  if (typeof answer !== 'string') history.add({ kind: 'read', id, status: answer.status });
}

async function untilNotQueued(id: string, { url }: Callers): Promise<void> {
  await untilAnswered(async () => {
    const answer = await request(`${url}/v1/jobs/${id}`, {});
    if (typeof answer === 'string' || isTemporary(answer)) return undefined;
    const state = stringField(answer.body, 'state');
    return state === 'queued' ? undefined : state;
  });
}

async function cancel(id: string, { url, history }: Callers): Promise<void> {
  await untilAnswered(async () => {
    history.add({ kind: 'cancel', id });
    const answer = await post(`${url}/v1/jobs/${id}/cancel`, {});
    if (typeof answer === 'string' || isTemporary(answer)) return undefined;
    const state = stringField(answer.body, 'state');
    history.add({ kind: 'cancel_answer', id, status: answer.status, state: isState(state) ? state : null });
    return state;
  });
}

async function untilAnswered(attempt: () => Promise<string | null | undefined>): Promise<string | null> {
  const end = performance.now() + PATIENCE_MS;
  while (performance.now() < end) {
    const outcome = await attempt();
    if (outcome !== undefined) return outcome;
    await pause(RETRY_PAUSE_MS);
  }
  return null;
}

function post(url: string, { key, body }: { key?: string; body?: unknown }): Promise<Answer | string> {
  return request(url, {
    method: 'POST',
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(key === undefined ? {} : { 'idempotency-key': key }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

/** The answer, or the reason why there is none. */
async function request(url: string, init: RequestInit): Promise<Answer | string> {
  try {
    const response = await fetch(url, { ...init, signal: AbortSignal.timeout(ANSWER_LIMIT_MS) });
    return { status: response.status, body: await response.json() };
  } catch (error) {
    // fetch hides the reason (connection refused, reset) in the cause.
    const reason = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return reason instanceof Error ? `${reason.name}: ${reason.message}` : 'unknown';
  }
}

/** The farm asks for patience (429, 503), or a gateway error of its own making: try again later. */
function isTemporary({ status }: Answer): boolean {
  return status === 429 || status >= 500;
}

function stringField(body: unknown, name: string): string | null {
  if (typeof body !== 'object' || body === null) return null;
  const value: unknown = Reflect.get(body, name);
  return typeof value === 'string' ? value : null;
}
