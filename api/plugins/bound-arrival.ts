/**
 * How long a request may take to arrive. Node has one bound for all of them, which must leave time for the file of a
 * bulk; every other route gets the usual one here, so that nobody can hold a connection with a drop a minute.
 */
import type { App } from '../parts.ts';
import { answerMalformedHttp } from './malformed-http.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Milliseconds for the whole request; when absent, the usual. */
    arrivalMs?: number;
    /** The body is passed on as it comes, and takes no memory. */
    streamsBody?: boolean;
  }
}

const MINUTE = 60_000;
/** The largest image takes so long at 2 Mbit/s. */
const USUAL_MS = 2 * MINUTE;
/** For Node, above all others: the largest file of a bulk takes so long at 2.4 Mbit/s. */
export const LONGEST_ARRIVAL_MS = 60 * MINUTE;

/** What Node says itself of a request that is later than its own bound. */
const LATE = { code: 'ERR_HTTP_REQUEST_TIMEOUT' };

export function boundArrival(app: App): void {
  app.addHook('onRequest', (request, reply, done) => {
    const { raw } = request;
    const { arrivalMs = USUAL_MS } = request.routeOptions.config;
    const hasBody =
      raw.headers['transfer-encoding'] !== undefined || raw.headers['content-length'] !== undefined;
    if (hasBody && arrivalMs < LONGEST_ARRIVAL_MS) {
      const timer = setTimeout(() => {
        if (raw.complete) return;
        if (reply.raw.headersSent) raw.socket.destroy();
        else answerMalformedHttp(LATE, raw.socket);
      }, arrivalMs);
      raw.once('close', () => clearTimeout(timer));
      raw.once('end', () => clearTimeout(timer));
    }
    done();
  });
}
