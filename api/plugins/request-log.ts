import { LogController, type FastifyReply, type FastifyRequest } from 'fastify';
import { pathOf } from './not-found.ts';

const PATH_CHARS = 200;

/** One line a request: no headers, no body and no query, since the query of an image link is its signature. */
export class RequestLog extends LogController {
  override incomingRequest(): void {
    // The line at the end says all that is known now, and how it went.
  }

  override requestCompleted(
    error: Error | null | undefined,
    request: FastifyRequest,
    reply: FastifyReply,
  ): void {
    const line = {
      method: request.method,
      path: pathOf(request.url).slice(0, PATH_CHARS),
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime),
      // The name of the key, never the key.
      ...(request.caller === null ? {} : { key: request.caller }),
    };
    if (error) request.log.warn({ ...line, err: error }, 'answer not delivered');
    else request.log.info(line, 'request');
  }
}
