import { Histogram, type Registry } from 'prom-client';
import type { App } from '../parts.ts';

/** From a cached answer to a long wait. */
const SECONDS = [0.005, 0.02, 0.1, 0.5, 2, 10, 60];

/** By route, never by address: callers choose addresses, and each would be kept for ever. */
export function measureRequests(app: App, registry: Registry): void {
  const seconds = new Histogram({
    name: 'kiln_http_request_seconds',
    help: 'Duration of requests, waits for jobs included',
    labelNames: ['method', 'route', 'status'],
    buckets: SECONDS,
    registers: [registry],
  });
  app.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? '(none)';
    const status = `${Math.floor(reply.statusCode / 100)}xx`;
    seconds.observe({ method: methodOf(request.method), route, status }, reply.elapsedTime / 1_000);
    done();
  });
}

function methodOf(method: string): string {
  return ['GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH'].includes(method) ? method : 'other';
}
