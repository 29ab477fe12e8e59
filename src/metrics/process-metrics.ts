/** What every process counts of itself, and the port that a collector reads it at. */
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { Logger } from 'pino';
import { collectDefaultMetrics, Registry } from 'prom-client';

/** A registry with what Node itself has to say: memory, CPU, event loop, garbage. */
export function processRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}

/** Where the text comes from: a registry, or what adds to one. */
export interface MetricsSource {
  readonly contentType: string;
  metrics(): Promise<string>;
}

export interface MetricsServerOptions {
  readonly source: MetricsSource;
  /** 0: nothing is served. */
  readonly port: number;
  readonly host: string;
  readonly log: Logger;
}

/** GET /metrics and GET /healthz. Rejects when the port is taken. The server never keeps the process alive. */
export async function serveMetrics({
  source,
  port,
  host,
  log,
}: MetricsServerOptions): Promise<Server | null> {
  if (port === 0) return null;
  const server = createServer((request, response) => {
    void answer(source, request.url ?? '')
      .catch((error: unknown) => {
        log.warn({ err: error }, 'Metrics could not be read');
        return { status: 500, type: 'text/plain', body: 'the metrics could not be read\n' };
      })
      .then(({ status, type, body }) => {
        response.writeHead(status, { 'content-type': type, 'x-content-type-options': 'nosniff' });
        response.end(body);
      });
  });
  // A collector asks for a few bytes; whoever takes longer is none.
  server.headersTimeout = 5_000;
  server.requestTimeout = 5_000;
  server.unref();
  server.listen(port, host);
  await once(server, 'listening');
  log.info({ host, port }, 'Metrics are served');
  return server;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

async function answer(source: MetricsSource, url: string): Promise<Answer> {
  const [path] = url.split('?', 1);
  if (path === '/metrics') {
    return { status: 200, type: source.contentType, body: await source.metrics() };
  }
  if (path === '/healthz') return { status: 200, type: 'application/json', body: '{"status":"alive"}\n' };
  return { status: 404, type: 'text/plain', body: 'there are /metrics and /healthz here\n' };
}
