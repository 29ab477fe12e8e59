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
import type { OfferCache } from '../offer-cache.ts';
import { originOf } from '../origin.ts';
import type { App, ApiParts } from '../parts.ts';
import { preferredWait } from '../prefer.ts';
import { PROBLEMS, answer, named } from '../schemas.ts';

/** Random seeds stay in the range that other tools show and take. */
const RANDOM_SEEDS = 2 ** 32;

/** A command that timed out may still have been carried out, so 'nothing happened' would be a guess. */
const OUTCOME_UNKNOWN =
  'The queue did not answer in time, so it is not known whether the job was accepted. Send the same request again ' +
  'with the same Idempotency-Key; without one, look at GET /v1/jobs first';

type Parts = Pick<ApiParts, 'config' | 'records' | 'lanes' | 'tail'> & {
  readonly reader: JobReader;
  readonly offers: OfferCache;
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
    const waitFor = seconds === 0 ? (): undefined => undefined : endsWithin(seconds, reply.raw, parts);
    // Listened for before the job exists, so that it cannot end unnoticed.
    const ended = waitFor(submission.ref);
    const job = await admit(submission, parts);
    const itEnded = job.id === submission.ref.id ? ended : waitFor(job);
    const origin = originOf(request, parts.config.publicUrl);
    const view = await viewAtEnd(job, itEnded, { ...parts, origin });
    reply.header('location', view.links.self);
    if (seconds > 0) reply.header('preference-applied', `wait=${seconds}`);
    return reply.code(isTerminal(view.state) ? 200 : 202).send(view);
  });
}

async function paramsOf(request: CreateJob, { config, offers }: Parts): Promise<JobParams> {
  const { defaultModel } = config;
  const models = await offers.modelsFor(request.model ?? defaultModel);
  return toJobParams(request, { models, defaultModel }, () => randomInt(RANDOM_SEEDS));
}

/** Gives the job that the request stands for: a new one, or the one that its Idempotency-Key made before. */
async function admit({ params, ref, ...rest }: Submission, { records, reader }: Parts): Promise<JobRecord> {
  const admission = await records
    .admit({ ref, params, lane: laneName(params), ...rest })
    .catch((error: unknown) => {
      throw unavailable(error, OUTCOME_UNKNOWN);
    });
  if (admission.kind === 'conflict') {
    const message = `This Idempotency-Key was used with another request; it made ${admission.id}`;
    throw new KilnError('idempotency_conflict', message);
  }
  if (admission.kind === 'admitted') return admission.record;
  const existing = { ...ref, id: admission.id };
  return reader.record(existing).catch((error: unknown) => {
    throw unavailable(error, acceptedButUnread(existing));
  });
}

/** The view of an accepted job: as it is, or after the wait for its end when there is one. */
async function viewAtEnd(
  accepted: JobRecord,
  ended: Promise<unknown> | undefined,
  { reader, lanes, origin }: Parts & { readonly origin: string },
): Promise<JobView> {
  try {
    // Also for the job of an earlier request, which may have been cut off right before this.
    if (accepted.state === 'queued') {
      await lanes.enqueue(accepted, accepted.lane, accepted.params.priority);
    }
    if (ended === undefined || isTerminal(accepted.state)) return await reader.view(accepted, origin);
    await ended;
    return await reader.view(await reader.record(accepted), origin);
  } catch (error) {
    throw unavailable(error, acceptedButUnread(accepted));
  }
}

function acceptedButUnread({ id }: JobRef): string {
  return `Job ${id} was accepted, but the queue stopped to answer: read it later`;
}

/** Other errors than an absent Redis stay what they are. */
function unavailable(error: unknown, message: string): unknown {
  return isRedisUnavailable(error) ? new KilnError('unavailable', message, { cause: error }) : error;
}

/**
 * Gives the end of a job, or undefined at the deadline, when the caller hangs up (also: has got the answer), and when
 * the server closes.
 */
function endsWithin(
  seconds: number,
  response: ServerResponse,
  { tail, closing }: Parts,
): (ref: JobRef) => Promise<unknown> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const signal = AbortSignal.any([AbortSignal.timeout(seconds * 1_000), gone.signal, closing]);
  return (ref) => tail.waitForTerminal(ref, signal);
}
