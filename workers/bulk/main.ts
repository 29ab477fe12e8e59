/** The bulk process: feeds the rows of bulks into the lanes, and stores how they ended; until a signal. */
import { randomUUID } from 'node:crypto';
import process, { env } from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { loadConfig } from '../../src/config.ts';
import { ImageDecoder } from '../../src/images/image-decoder.ts';
import { ImageIntake } from '../../src/inputs/image-intake.ts';
import { inputResolver } from '../../src/inputs/resolve-input.ts';
import { createLogger } from '../../src/log.ts';
import { meteredStore } from '../../src/metrics/metered-store.ts';
import { processRegistry, serveMetrics } from '../../src/metrics/process-metrics.ts';
import { BulkFeed } from '../../src/queue/bulk-feed.ts';
import { BulkRecords } from '../../src/queue/bulk-records.ts';
import { checkRedis, connectWorker, disconnect } from '../../src/queue/connection.ts';
import { FarmRegistry } from '../../src/queue/farm-registry.ts';
import { JobRecords } from '../../src/queue/job-records.ts';
import { Keys } from '../../src/queue/keys.ts';
import { Lanes } from '../../src/queue/lanes.ts';
import { Lease } from '../../src/queue/lease.ts';
import { OutboxTail } from '../../src/queue/outbox.ts';
import { stopOnSignal } from '../../src/stop-on-signal.ts';
import { openStore } from '../../src/storage/open-store.ts';
import { Feeder } from './feeder.ts';
import { RowFetcher } from './row-fetcher.ts';

const SECOND = 1_000;
/** For the turn under way, which ends with its rows in their lanes. */
const LAST_TURN_MS = 3 * SECOND;
const STOP_DEADLINE_MS = 10 * SECOND;
/** Three looks of the feeder: a bulk whose feeder died goes on after this. */
const LEASE_MS = 3 * SECOND;

const config = loadConfig(env);
const log = createLogger('kiln-bulk', config.logLevel);
const holder = `${config.hostName}-${randomUUID()}`;

const redis = connectWorker(config, log);
const keys = new Keys(config.prefix);
const lanes = new Lanes(redis, keys);
const tail = new OutboxTail(redis, keys, log);
const registry = processRegistry();
const store = meteredStore(await openStore(config.store, 'worker'), registry);
const decoder = new ImageDecoder();
const feed = new BulkFeed(redis, keys);
const stopping = new AbortController();
const { signal } = stopping;
const resolveInput = inputResolver({ intake: new ImageIntake({ store, decoder }), config });
const feeder = new Feeder({
  feed,
  bulks: new BulkRecords(redis, keys),
  records: new JobRecords(redis, keys, config),
  lanes,
  store,
  tail,
  registry: new FarmRegistry(redis, keys),
  fetcher: new RowFetcher({ resolveInput, feed, signal, log }),
  leaseOf: ({ tenant, id }) =>
    new Lease(redis, keys, { name: `bulk:${tenant}/${id}`, holder, ttlMs: LEASE_MS }),
  window: config.bulkWindow,
  recordTtlMs: config.recordTtlMs,
  log,
});
let running: Promise<unknown> = Promise.resolve();

stopOnSignal({
  log,
  deadlineMs: STOP_DEADLINE_MS,
  stop: async () => {
    stopping.abort();
    await Promise.race([running, delay(LAST_TURN_MS)]);
    decoder.close();
    await Promise.race([Promise.all([tail.close(), lanes.close()]), delay(SECOND)]);
    disconnect(redis);
  },
});

await serveMetrics({ ...config.metrics, source: registry, log });
await checkRedis(redis, log);
tail.start();
running = feeder.run(signal);
process.send?.({ kind: 'ready' });
await running;
