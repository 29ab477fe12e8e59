/** The body of a job may be large for the sake of its images alone. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { KilnError } from '../src/domain/errors.ts';
import { LIMITS } from '../src/domain/limits.ts';

/**
 * Refuses a body that is large without its images, before validation, which notes a fault for every field that it does
 * not know: millions of them in a body of this size.
 */
export function limitAllButImages(
  request: FastifyRequest,
  _reply: FastifyReply,
  done: (error?: Error) => void,
): void {
  const { body } = request;
  const isSmall = Number(request.headers['content-length'] ?? Infinity) <= LIMITS.bodyBytes;
  if (isSmall || typeof body !== 'object' || body === null) {
    done();
    return;
  }
  const others = { ...body, image: undefined, mask: undefined, depth_map: undefined };
  if (Buffer.byteLength(JSON.stringify(others)) <= LIMITS.bodyBytes) done();
  else
    done(
      new KilnError('payload_too_large', `Images aside, the body may have at most ${LIMITS.bodyBytes} bytes`),
    );
}
