import { randomInt } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { Type } from 'typebox';
import { CreateJob, JobView } from '../../src/contract/job.ts';
import { KilnError } from '../../src/domain/errors.ts';
import { toJobParams } from '../../src/domain/job-params.ts';
import { isTerminal } from '../../src/domain/job-state.ts';
import type { JobParams, JobRecord, JobRef } from '../../src/domain/job.ts';
import { laneName } from '../../src/domain/lane.ts';
import { newJobId } from '../../src/job-id.ts';
import { isRedisUnavailable } from '../../src/queue/connection.ts';
import { checkedKey, requestHash } from '../idempotency.ts';
import type { JobReader } from '../job-reader.ts';
import { originOf } from '../origin.ts';
import type { App, ApiParts } from '../parts.ts';
import { preferredWait } from '../prefer.ts';
import { PROBLEMS, answer, named } from '../schemas.ts';

/** Random seeds stay in the range that other tools show and take. */
const RANDOM_SEEDS = 2 ** 32;

type Parts = Pick<ApiParts, 'config' | 'log' | 'records' | 'lanes' | 'tail' | 'registry'> & {
  readonly reader: JobReader;
  /** Aborts when the server closes: whoever waits is answered with the job as it is. */
  readonly closing: AbortSignal;
};

interface Submission {
  readonly ref: JobRef;
  readonly params: JobParams;
  readonly idempotency?: { readonly key: string; readonly bodyHash: string };
}

const schema = {
  summary: 'Make images from a prompt',
  description:
    'Answers 202 as soon as the job is accepted, or, with `Prefer: wait`, when it has ended. 200 means that the job in ' +
    'the answer has ended, 202 that it has not. The same Idempotency-Key with the same request gives the same job ' +
    'for 24 hours.',
  tags: ['jobs'],
  headers: Type.Object({
    'idempotency-key': Type.Optional(Type.String({ description: 'Makes it safe to send a request again' })),
    prefer: Type.Optional(Type.String({ description: '`wait=20`: up to 60 seconds' })),
  }),
  body: named(CreateJob),
  response: {
    200: answer('The job has ended', JobView),
    202: answer('The job is accepted; Location leads to it', JobView),
    ...PROBLEMS,
  },
};

export function submitRoute(app: App, parts: Parts): void {
  app.post('/jobs', { schema }, async (request, reply) => {
    const { 'idempotency-key': key, prefer } = request.headers;
    const seconds = preferredWait(prefer);
    const submission: Submission = {
      ref: { tenant: request.tenant, id: newJobId() },
      params: await paramsOf(request.body, parts),
      ...(key === undefined
        ? {}
        : { idempotency: { key: checkedKey(key), bodyHash: requestHash(request.body) } }),
    };
    const record =
      seconds === 0
        ? await parts.reader.record(await admit(submission, parts))
        : await admitAndWait(submission, waitSignal(seconds, reply.raw, parts.closing), parts);
    const view = await parts.reader.view(record, originOf(request, parts.config.publicUrl));
    reply.header('location', view.links.self);
    if (seconds > 0) reply.header('preference-applied', `wait=${seconds}`);
    return reply.code(isTerminal(record.state) ? 200 : 202).send(view);
  });
}

async function paramsOf(request: CreateJob, { config, registry }: Parts): Promise<JobParams> {
  const offers = { models: await registry.models(), defaultModel: config.defaultModel };
  return toJobParams(request, offers, () => randomInt(RANDOM_SEEDS));
}

/** Gives the job that the request stands for: a new one, or the one that its Idempotency-Key made before. */
async function admit(submission: Submission, { records, lanes, log }: Parts): Promise<JobRef> {
  const { params, ref, ...rest } = submission;
  const lane = laneName(params);
  const admission = await records.admit({ ref, params, lane, ...rest }).catch((error: unknown) => {
    throw outcomeUnknown(error);
  });
  if (admission.kind === 'conflict') {
    const message = `This Idempotency-Key was used with another request; it made ${admission.id}`;
    throw new KilnError('idempotency_conflict', message);
  }
  if (admission.kind === 'existing') return { ...ref, id: admission.id };
  await lanes.enqueue(ref, lane, params.priority).catch((error: unknown) => {
    // The job is accepted all the same: a reconciler puts queued jobs that have no place in a lane back into one.
    log.warn({ err: error, id: ref.id }, 'job accepted but not yet in its lane');
  });
  return ref;
}

/** A command that timed out may still have been carried out, so 'nothing happened' would be a guess. */
function outcomeUnknown(error: unknown): unknown {
  if (!isRedisUnavailable(error)) return error;
  const message =
    'The queue did not answer in time, so it is not known whether the job was accepted. Send the same request again ' +
    'with the same Idempotency-Key; without one, look at GET /v1/jobs first';
  return new KilnError('unavailable', message, { cause: error });
}

/** Gives the record when the job has ended or the signal says to wait no longer. */
async function admitAndWait(submission: Submission, signal: AbortSignal, parts: Parts): Promise<JobRecord> {
  const { tail, reader } = parts;
  // Subscribed before the job exists, so that it cannot end unnoticed.
  const ended = tail.waitForTerminal(submission.ref, signal);
  const ref = await admit(submission, parts);
  const isNew = ref.id === submission.ref.id;
  const itEnded = isNew ? ended : tail.waitForTerminal(ref, signal);
  const record = await reader.record(ref);
  if (isTerminal(record.state)) return record;
  await itEnded;
  return reader.record(ref);
}

/** Aborts at the deadline, when the caller hangs up (also: has got the answer), and when the server closes. */
function waitSignal(seconds: number, response: ServerResponse, closing: AbortSignal): AbortSignal {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  return AbortSignal.any([AbortSignal.timeout(seconds * 1_000), gone.signal, closing]);
}
