/** The Redis hash of a job record, read as a JobRecord. Its fields are written by the Lua scripts only. */
import { toJobFailure, toJobParams, toJobResult } from '../job-json.ts';
import { JOB_STATES, type JobState } from '../domain/job-state.ts';
import type { JobRecord, JobRef } from '../domain/job.ts';
import { parseJson } from './replies.ts';

/** Throws when a field that must be there is missing or damaged; the message names the job and the field. */
export function toRecord(ref: JobRef, fields: ReadonlyMap<string, string>): JobRecord {
  const what = (field: string): string => `field ${field} of job ${ref.id}`;
  const text = (field: string): string => {
    const value = fields.get(field);
    if (value === undefined) throw new Error(`${what(field)} is missing`);
    return value;
  };
  const count = (field: string): number => toNumber(text(field), what(field));
  const maybe = <T>(field: string, parse: (value: string, what: string) => T): T | null => {
    const value = fields.get(field);
    return value === undefined ? null : parse(value, what(field));
  };
  return {
    tenant: ref.tenant,
    id: ref.id,
    state: toState(text('state'), what('state')),
    fence: count('fence'),
    lane: text('lane'),
    params: toJobParams(parseJson(text('params')), what('params')),
    createdAt: count('createdAt'),
    startedAt: maybe('startedAt', toNumber),
    finishedAt: maybe('finishedAt', toNumber),
    attempts: count('attempts'),
    crashes: count('crashes'),
    soloCrashes: count('soloCrashes'),
    progress: { step: count('step'), steps: count('steps'), etaSeconds: maybe('etaSeconds', toNumber) },
    worker: fields.get('worker') ?? null,
    result: maybe('result', (value, name) => toJobResult(parseJson(value), name)),
    failure: maybe('failure', (value, name) => toJobFailure(parseJson(value), name)),
  };
}

export function toState(text: string, what: string): JobState {
  const state = JOB_STATES.find((known) => known === text);
  if (state === undefined) throw new Error(`${what} is ${text}; known are ${JOB_STATES.join(', ')}`);
  return state;
}

function toNumber(text: string, what: string): number {
  const value = Number(text);
  if (text === '' || !Number.isFinite(value)) throw new Error(`${what} is '${text}', not a number`);
  return value;
}
