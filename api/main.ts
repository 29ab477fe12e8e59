/** The API process: settings from the environment, one HTTP server, until SIGTERM or SIGINT. */
import process, { env } from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import { loadConfig } from '../src/config.ts';
import { ImageDecoder } from '../src/images/image-decoder.ts';
import { createLogger } from '../src/log.ts';
import { FarmMetrics } from '../src/metrics/farm-metrics.ts';
import { meteredStore } from '../src/metrics/metered-store.ts';
import { processRegistry, serveMetrics } from '../src/metrics/process-metrics.ts';
import { ApiKeyRecords } from '../src/queue/api-keys.ts';
import { checkRedis, connectApi, disconnect, isRedisUnavailable } from '../src/queue/connection.ts';
import { readFarmFigures, type FarmFigures } from '../src/queue/farm-figures.ts';
import { BulkFeed } from '../src/queue/bulk-feed.ts';
import { BulkRecords } from '../src/queue/bulk-records.ts';
import { FarmRegistry } from '../src/queue/farm-registry.ts';
import { JobRecords } from '../src/queue/job-records.ts';
import { Keys } from '../src/queue/keys.ts';
import { LaneSpeeds } from '../src/queue/lane-speeds.ts';
import { Lanes } from '../src/queue/lanes.ts';
import { LiveTail } from '../src/queue/live-tail.ts';
import { OutboxTail } from '../src/queue/outbox.ts';
import { WebhookDeliveries } from '../src/queue/webhook-deliveries.ts';
import { RateCounter } from '../src/queue/rate-counter.ts';
import { stopOnSignal } from '../src/stop-on-signal.ts';
import { openStore } from '../src/storage/open-store.ts';
import { buildApp } from './app.ts';

/** An API without Redis starts all the same and answers 503, so that it is there when Redis is. */
const BOOT_WAIT_MS = 2_000;
/** For the answers under way; those who wait for a job are answered at once. */
const STOP_DEADLINE_MS = 10_000;

const config = loadConfig(env);
const log = createLogger('kiln-api', config.logLevel);
const redis = connectApi(config, log);
const found = new Promise<void>((resolve) => {
  redis.on('ready', () => resolve(refuseUnfitRedis()));
});
const keys = new Keys(config.prefix);
const lanes = new Lanes(redis, keys);
const tail = new OutboxTail(redis, keys, log);
const liveTail = new LiveTail(redis, keys);
const decoder = new ImageDecoder();
const registry = processRegistry();
const figures = (): Promise<FarmFigures> => readFarmFigures({ redis, keys, lanes });
const metrics = new FarmMetrics({
  registry,
  read: figures,
  now: () => performance.now(),
});

const app = await buildApp({
  config,
  log,
  records: new JobRecords(redis, keys, config),
  lanes,
  tail,
  liveTail,
  bulks: new BulkRecords(redis, keys),
  bulkFeed: new BulkFeed(redis, keys),
  registry: new FarmRegistry(redis, keys),
  store: meteredStore(await openStore(config.store, 'api'), registry),
  decoder,
  apiKeys: new ApiKeyRecords(redis, keys),
  rates: new RateCounter(redis, keys),
  metrics,
  figures,
  speeds: new LaneSpeeds(redis, keys),
  webhooks: new WebhookDeliveries(redis, keys, config.webhooks),
});

stopOnSignal({
  log,
  deadlineMs: STOP_DEADLINE_MS,
  stop: async () => {
    await app.close();
    decoder.close();
    liveTail.close();
    await Promise.all([tail.close(), lanes.close()]);
    disconnect(redis);
  },
});

await Promise.race([found, pause(BOOT_WAIT_MS, undefined, { ref: false })]);
tail.start();
await serveMetrics({ ...config.metrics, source: metrics, log });
const url = await app.listen({ host: config.host, port: config.port });
process.send?.({ kind: 'listening', url });

/** Ends the process on a Redis that cannot keep Kiln's promises, such as one that evicts keys. */
async function refuseUnfitRedis(): Promise<void> {
  try {
    await checkRedis(redis, log);
  } catch (error) {
    // Gone again: callers get 503, and it is checked when it comes back.
    if (isRedisUnavailable(error)) return;
    log.fatal({ err: error }, 'this Redis is not fit for Kiln');
    process.exit(1);
  }
}
