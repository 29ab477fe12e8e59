/** Every error leaves as one shape. What nobody expected is logged here and shown to no caller. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ERRORS, KilnError, type ErrorCode } from '../../src/domain/errors.ts';
import { isRedisUnavailable } from '../../src/queue/connection.ts';
import { StoreError } from '../../src/storage/store-error.ts';
import type { App } from '../parts.ts';
import { PROBLEM_TYPE, problemOf } from '../problem.ts';
import { SECURITY_HEADERS } from './security-headers.ts';

const RETRY_AFTER_SECONDS = 2;

export function answerProblems(app: App): void {
  app.setErrorHandler(sendProblem);
}

/** For what Fastify refuses before it has a route, and so before any hook has run. */
export function refuseUnrouted(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  reply.headers({ ...SECURITY_HEADERS, 'x-request-id': request.id });
  sendProblem(error, request, reply);
}

function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const known = toKilnError(error, request);
  if (known.code === 'internal') request.log.error({ err: error }, 'request failed');
  if (known.code === 'unavailable') {
    request.log.warn({ err: known.cause ?? known }, 'request refused: unavailable');
    reply.header('retry-after', RETRY_AFTER_SECONDS);
  }
  const problem = problemOf(known, request.id);
  return reply.code(problem.status).type(PROBLEM_TYPE).send(problem);
}

function toKilnError(error: unknown, request: FastifyRequest): KilnError {
  if (error instanceof KilnError) return error;
  if (isRedisUnavailable(error)) {
    const message = 'The queue does not answer, and nothing was changed. Try again shortly';
    return new KilnError('unavailable', message, { cause: error });
  }
  if (error instanceof StoreError) {
    const message = 'The object store does not keep or give what it should. Try again shortly';
    return new KilnError('unavailable', message, { cause: error });
  }
  if (error instanceof Error && 'statusCode' in error) {
    const code = CODE_OF_STATUS.get(Number(error.statusCode));
    if (code !== undefined) {
      const message = code === 'payload_too_large' ? tooLarge(request) : refusal(code, error.message);
      return new KilnError(code, message, { cause: error });
    }
  }
  return new KilnError('internal', 'Kiln failed; its log tells why under this request_id', { cause: error });
}

/** Fastify refuses with a status; its messages speak of the request alone, so a caller may read them. */
const CODE_OF_STATUS: ReadonlyMap<number, ErrorCode> = new Map([
  [ERRORS.invalid_request.status, 'invalid_request'],
  [ERRORS.payload_too_large.status, 'payload_too_large'],
  [ERRORS.unsupported_media_type.status, 'unsupported_media_type'],
  // 414: a path parameter longer than any id.
  [414, 'not_found'],
]);

/** Routes that take images inside have a limit of their own. */
function tooLarge({ routeOptions }: FastifyRequest): string {
  return `The body may have at most ${routeOptions.bodyLimit} bytes`;
}

function refusal(code: ErrorCode, message: string): string {
  if (code === 'unsupported_media_type') return 'The body must be application/json';
  return code === 'not_found' ? 'There is nothing at this address' : message;
}
