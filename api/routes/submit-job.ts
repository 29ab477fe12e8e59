import type { ServerResponse } from 'node:http';
import { Type } from 'typebox';
import { CreateJob } from '../../src/contract/create-job.ts';
import { JobView } from '../../src/contract/job.ts';
import { isTerminal } from '../../src/domain/job-state.ts';
import type { JobRecord, JobRef } from '../../src/domain/job.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import { newJobId } from '../../src/job-id.ts';
import {
  acceptedButUnread,
  admitJob,
  unavailable,
  type AdmissionParts,
  type Submission,
} from '../admit-job.ts';
import { checkedKey, requestHash } from '../idempotency.ts';
import { originOf } from '../origin.ts';
import type { App, ApiParts } from '../parts.ts';
import { preferredWait } from '../prefer.ts';
import { PROBLEMS, answer, named } from '../schemas.ts';

type Parts = AdmissionParts &
  Pick<ApiParts, 'lanes' | 'tail'> & {
    /** Aborts when the server closes: whoever waits is answered with the job as it is. */
    readonly closing: AbortSignal;
  };

const schema = {
  summary: 'Make images',
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
  app.post('/jobs', { schema, bodyLimit: LIMITS.submitBytes }, async (request, reply) => {
    const { 'idempotency-key': key, prefer } = request.headers;
    const seconds = preferredWait(prefer);
    const submission: Submission = {
      ref: { tenant: request.tenant, id: newJobId() },
      request: request.body,
      idempotency:
        key === undefined ? undefined : { key: checkedKey(key), bodyHash: requestHash(request.body) },
    };
    const waitFor = seconds === 0 ? (): undefined => undefined : endsWithin(seconds, reply.raw, parts);
    // Listened for before the job exists, so that it cannot end unnoticed.
    const ended = waitFor(submission.ref);
    const job = await admitJob(submission, parts);
    const itEnded = job.id === submission.ref.id ? ended : waitFor(job);
    const origin = originOf(request, parts.config.publicUrl);
    const view = await viewAtEnd(job, itEnded, { ...parts, origin });
    reply.header('location', view.links.self);
    if (seconds > 0) reply.header('preference-applied', `wait=${seconds}`);
    return reply.code(isTerminal(view.state) ? 200 : 202).send(view);
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
