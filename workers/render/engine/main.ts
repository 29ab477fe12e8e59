/**
 * The engine child: owns the device. It lives as long as its supervisor wants it to: when the channel closes, because
 * that died, however it died, the engine ends too and the device is free for the next.
 */
import { setPriority } from 'node:os';
import { performance } from 'node:perf_hooks';
import { env } from 'node:process';
import { loadConfig, type Config } from '../../../src/config.ts';
import { budgetBytes, type MemoryBudget } from '../../../src/domain/residency.ts';
import { createLogger } from '../../../src/log.ts';
import { TextCache } from '../diffusion/text-cache.ts';
import type { LoadOptions } from '../onnx/load-model.ts';
import { BatchSizes } from './batch-sizes.ts';
import { checkDevice } from './check-device.ts';
import { EngineLoop } from './engine-loop.ts';
import { freeMemory, privateMemory, totalMemory } from './free-memory.ts';
import { ModelFiles } from './model-files.ts';
import { ModelShelf } from './model-shelf.ts';
import { parseCommand, type EngineEvent } from './protocol.ts';

const MiB = 1024 * 1024;
/** A niceness: on CPU the engine's threads take every core, and must not hold up those who talk to it meanwhile. */
const BELOW_ITS_SUPERVISOR = 5;
/** Some 200 prompts of Stable Diffusion 2, or 2,000 of the pocket model. */
const TEXT_CACHE_BYTES = 64 * MiB;

const config = loadConfig(env);
const log = createLogger('engine', config.logLevel);
const loadOptions: LoadOptions = {
  device: config.device === 'cuda' ? { kind: 'cuda', deviceId: 0 } : { kind: 'cpu' },
  profile: config.cpuProfile,
  threads: config.threads,
};
// Before the first session: the threads made from now on inherit it.
if (config.device === 'cpu') setPriority(BELOW_ITS_SUPERVISOR);

process.on('disconnect', () => process.exit(0));
// Ctrl-C reaches the whole process group; what becomes of the jobs is for the supervisor to say.
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => log.debug({ signal }, 'Signal left to the supervisor'));

try {
  await checkDevice(loadOptions);
  const engine = createEngine(config, await memoryBudget(config));
  // In time: nothing is sent to an engine before it says that it is ready.
  process.on('message', (message) => engine.receive(parseCommand(message)));
  await engine.run();
  process.exit(0);
} catch (error) {
  log.fatal({ err: error }, 'Engine cannot go on');
  process.exit(1);
}

/** To be asked before any model is loaded. */
async function memoryBudget({ device, memoryBudget: configured }: Config): Promise<MemoryBudget> {
  return {
    total: budgetBytes(configured, device, await totalMemory(device)),
    own: device === 'cpu' ? privateMemory() : 0,
  };
}

function createEngine(
  { device, maxBatchSize, modelDirs, pinnedModels }: Config,
  budget: MemoryBudget,
): EngineLoop {
  const models = new ModelShelf({
    source: new ModelFiles(modelDirs, loadOptions),
    budget,
    pinned: pinnedModels,
    freeBytes: () => freeMemory(device),
    // What a process holds beside its device does not count.
    privateBytes: device === 'cpu' ? privateMemory : () => 0,
  });
  return new EngineLoop({
    device,
    models,
    sizes: new BatchSizes({
      configured: maxBatchSize,
      device,
      freeBytes: () => models.freeBytes(),
      deviceFreeBytes: () => freeMemory(device),
      epoch: () => models.counts.loads + models.counts.releases,
    }),
    texts: new TextCache(TEXT_CACHE_BYTES),
    emit: sendToSupervisor,
    now: () => performance.now(),
  });
}

/** Resolves when the message is in the channel: then it arrives even if this process dies at once. */
function sendToSupervisor(event: EngineEvent): Promise<void> {
  return new Promise((resolve, reject) => {
    if (process.send === undefined)
      throw new Error('an engine is started by its supervisor, with a channel to it');
    process.send(event, undefined, undefined, (error) => (error === null ? resolve() : reject(error)));
  });
}
