/** The render process: settings from the environment, one supervisor with its engine, until SIGTERM or SIGINT. */
import process, { env } from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { loadConfig } from '../../src/config.ts';
import { budgetBytes, refusalOf } from '../../src/domain/residency.ts';
import { createLogger } from '../../src/log.ts';
import { meteredStore } from '../../src/metrics/metered-store.ts';
import { processRegistry, serveMetrics } from '../../src/metrics/process-metrics.ts';
import { subscribeCancels } from '../../src/queue/cancel-bus.ts';
import { checkRedis, connectWorker, disconnect } from '../../src/queue/connection.ts';
import { FarmRegistry } from '../../src/queue/farm-registry.ts';
import { JobRecords } from '../../src/queue/job-records.ts';
import { Keys } from '../../src/queue/keys.ts';
import { LaneSpeeds } from '../../src/queue/lane-speeds.ts';
import { LanePuller } from '../../src/queue/lane-puller.ts';
import { stopOnSignal } from '../../src/stop-on-signal.ts';
import { openStore } from '../../src/storage/open-store.ts';
import { Background } from './background.ts';
import { totalMemory } from './engine/free-memory.ts';
import { ModelCatalog } from './model-catalog.ts';
import { checkPinnedModels } from './pinned-models.ts';
import { Presence } from './presence.ts';
import { RenderMetrics } from './render-metrics.ts';
import { ServedModels } from './served-models.ts';
import { Supervisor } from './supervisor.ts';

const SECOND = 1_000;
/** Beyond the drain: hand-backs, the engine's last step, the way out. */
const STOP_GRACE_MS = 15 * SECOND;
/** For the goodbye to a Redis that may be away. */
const GOODBYE_MS = 2 * SECOND;

const config = loadConfig(env);
const log = createLogger('kiln-render', config.logLevel);
/** A restarted container keeps its host name and process id, and so finds what its last life held. */
const workerId = `${config.hostName}-${process.pid}`;

const redis = connectWorker(config, log);
const keys = new Keys(config.prefix);
const metrics = processRegistry();
const registry = new FarmRegistry(redis, keys);
const budget = budgetBytes(config.memoryBudget, config.device, await totalMemory(config.device));
const catalog = new ModelCatalog(config.modelDirs, { refusalOf: (bytes) => refusalOf(bytes, budget), log });
const served = new ServedModels(() => catalog.offers);
const puller = new LanePuller(redis, keys, { workerName: workerId, lockMs: config.lockMs, log });
const background = new Background();
const stopping = new AbortController();
const supervisor = new Supervisor({
  workerId,
  config,
  records: new JobRecords(redis, keys, config),
  puller,
  store: meteredStore(await openStore(config.store, 'worker'), metrics),
  metrics: new RenderMetrics(metrics, performance.now()),
  isServed: (model) => served.isServed(model, performance.now()),
  onModelChange: () => {
    // Once it has said goodbye, a worker stays silent.
    if (!stopping.signal.aborted) background.run('Announcing a model', log, () => presence.announce());
  },
  subscribeCancels: (handler) => subscribeCancels(redis, keys, handler),
  log,
});
const presence = new Presence({
  workerId,
  config,
  registry,
  speeds: new LaneSpeeds(redis, keys),
  puller,
  catalog,
  served,
  status: () => supervisor.status,
  log,
});

stopOnSignal({
  log,
  deadlineMs: config.drainMs + STOP_GRACE_MS,
  stop: async () => {
    await supervisor.stop();
    stopping.abort();
    await Promise.race([sayGoodbye(), delay(GOODBYE_MS)]);
    disconnect(redis);
    await Promise.all([supervisor.ended(), background.settled()]);
  },
});

await serveMetrics({ ...config.metrics, source: metrics, log });
await checkPinnedModels(config, budget);
await checkRedis(redis, log);
await presence.begin();
await presence.reclaimFromTheDead();
background.run('Keeping the farm informed', log, () => presence.run(stopping.signal));
await supervisor.start();
process.send?.({ kind: 'ready' });

async function sayGoodbye(): Promise<void> {
  await presence.end();
  await puller.close();
}
