/** The port of its own at which every process is looked at. */
import { once } from 'node:events';
import type { Server } from 'node:http';
import { pino } from 'pino';
import { Counter, Registry } from 'prom-client';
import { afterEach, expect, test } from 'vitest';
import { serveMetrics } from '../../src/metrics/process-metrics.ts';
import { meteredStore } from '../../src/metrics/metered-store.ts';
import { freePort } from '../../src/cli/farm/tcp.ts';
import { LocalStore } from '../../src/storage/local-store.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const log = pino({ level: 'silent' });

let server: Server | null = null;

afterEach(async () => {
  if (server === null) return;
  server.close();
  await once(server, 'close');
  server = null;
});

test('serves the metrics and the health of the process, and nothing else', async () => {
  const registry = new Registry();
  new Counter({ name: 'kiln_things_total', help: 'things', registers: [registry] }).inc(3);
  const port = await freePort();
  server = await serveMetrics({ source: registry, port, host: '127.0.0.1', log });
  const get = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${port}${path}`);
  const metrics = await get('/metrics');
  expect(metrics.headers.get('content-type')).toContain('text/plain; version=0.0.4');
  expect(await metrics.text()).toContain('kiln_things_total 3\n');
  expect((await get('/healthz?x')).status).toBe(200);
  expect((await get('/v1/jobs')).status).toBe(404);
});

test('is off at port 0, and ends the start of a process when it is taken', async () => {
  const source = new Registry();
  expect(await serveMetrics({ source, port: 0, host: '127.0.0.1', log })).toBeNull();
  const port = await freePort();
  server = await serveMetrics({ source, port, host: '127.0.0.1', log });
  await expect(serveMetrics({ source, port, host: '127.0.0.1', log })).rejects.toThrow(/EADDRINUSE/);
});

test('operations of the store are timed, and those that fail are counted', async () => {
  const registry = new Registry();
  const store = meteredStore(new LocalStore(await temporaryFolder()), registry);
  await store.put('default/a.txt', Buffer.from('a'), 'text/plain');
  expect(await store.list('default/')).toEqual(['default/a.txt']);
  await expect(store.put('../outside', Buffer.from('a'), 'text/plain')).rejects.toThrow(/outside/);
  const text = await registry.metrics();
  expect(text).toContain('kiln_store_operation_seconds_count{operation="put"} 2\n');
  expect(text).toContain('kiln_store_operation_seconds_count{operation="list"} 1\n');
  expect(text).toContain('kiln_store_errors_total{operation="put"} 1\n');
});
