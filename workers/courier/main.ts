/** The courier process: archives finished jobs, tells webhooks, puts lost jobs back, sweeps inputs; until a signal. */
import { randomUUID } from 'node:crypto';
import process, { env } from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { loadConfig } from '../../src/config.ts';
import { createLogger } from '../../src/log.ts';
import { meteredStore } from '../../src/metrics/metered-store.ts';
import { processRegistry, serveMetrics } from '../../src/metrics/process-metrics.ts';
import { checkRedis, connectWorker, disconnect } from '../../src/queue/connection.ts';
import { JobRecords } from '../../src/queue/job-records.ts';
import { Keys } from '../../src/queue/keys.ts';
import { Lanes } from '../../src/queue/lanes.ts';
import { Lease } from '../../src/queue/lease.ts';
import { OutboxGroup } from '../../src/queue/outbox-group.ts';
import { stopOnSignal } from '../../src/stop-on-signal.ts';
import { openStore } from '../../src/storage/open-store.ts';
import { every } from '../../src/waiting.ts';
import { archiveNext } from './archiver.ts';
import { DRAFT_SWEEP_PAUSE_MS, sweepDrafts } from './draft-sweep.ts';
import { sweepInputs, sweepPauseMs } from './input-sweep.ts';
import { tidyUp } from './janitor.ts';
import { WebhookCourier } from './webhooks/webhook-courier.ts';

const SECOND = 1_000;
/** For what is under way, then for the goodbye to a Redis that may be away. */
const ARCHIVING_MS = 3 * SECOND;
const GOODBYE_MS = SECOND;
const STOP_DEADLINE_MS = 10 * SECOND;
/** An event whose courier died, or whose job could not be archived, is tried again after this. */
const REDELIVER_MS = 30 * SECOND;
/** An admitted job is in its lane within milliseconds, unless its API died. */
const GRACE_MS = 5 * SECOND;
const EVENTS_AT_ONCE = 16;

const config = loadConfig(env);
const log = createLogger('kiln-courier', config.logLevel);
const consumer = `${config.hostName}-${randomUUID()}`;

const redis = connectWorker(config, log);
const keys = new Keys(config.prefix);
const records = new JobRecords(redis, keys, config);
const lanes = new Lanes(redis, keys);
const registry = processRegistry();
const store = meteredStore(await openStore(config.store, 'worker'), registry);
const ttlMs = config.reconcileMs + REDELIVER_MS;
const lease = new Lease(redis, keys, { name: 'janitor', holder: consumer, ttlMs });
const group = new OutboxGroup(redis, keys, {
  group: 'archive',
  consumer,
  redeliverMs: REDELIVER_MS,
  count: EVENTS_AT_ONCE,
});
const stopping = new AbortController();
const { signal } = stopping;
const books = { redis, keys, records, store, signal, log };
const webhooks = new WebhookCourier({ ...books, config, consumer, registry });
let loops: Promise<unknown> = Promise.resolve();

stopOnSignal({
  log,
  deadlineMs: STOP_DEADLINE_MS,
  stop: async () => {
    stopping.abort();
    group.stopReading();
    webhooks.stopReading();
    await Promise.race([loops, delay(ARCHIVING_MS)]);
    await Promise.race([sayGoodbye(), delay(GOODBYE_MS)]);
    disconnect(redis);
  },
});

await serveMetrics({ ...config.metrics, source: registry, log });
await checkRedis(redis, log);
await group.create();
await webhooks.create();
const loop = (title: string, pauseMs: number, round: () => Promise<void>): Promise<void> =>
  every(pauseMs, round, { title, signal, log });
const tidying = { ...config, graceMs: GRACE_MS, signal };
const sweeping = { inputTtlMs: config.inputTtlMs, signal };
loops = Promise.all([
  webhooks.run(),
  loop('Archiving', 0, () => archiveNext({ ...books, group })),
  loop('Tidying up', config.reconcileMs, () => tidyUp({ ...books, lanes, lease, group }, tidying)),
  loop('Sweeping inputs', sweepPauseMs(config.inputTtlMs), () => sweepInputs({ ...books, lease }, sweeping)),
  loop('Sweeping drafts', DRAFT_SWEEP_PAUSE_MS, () => sweepDrafts({ ...books, lease }, Date.now())),
]);
process.send?.({ kind: 'ready' });

async function sayGoodbye(): Promise<void> {
  await group.leave();
  await webhooks.leave();
  await lease.drop();
  await lanes.close();
}
