/** What the farm knows of this worker: that it lives, what it does, which models it offers. */
import process from 'node:process';
import type { Logger } from 'pino';
import type { Config } from '../../src/config.ts';
import { forCallers } from '../../src/domain/caller-text.ts';
import type { FarmRegistry, WorkerModel, WorkerStatus } from '../../src/queue/farm-registry.ts';
import type { LaneSpeeds } from '../../src/queue/lane-speeds.ts';
import type { LanePuller } from '../../src/queue/lane-puller.ts';
import { every } from '../../src/waiting.ts';
import type { ModelCatalog } from './model-catalog.ts';
import type { ServedModels } from './served-models.ts';
import type { SupervisorStatus } from './supervisor.ts';

const SECOND = 1_000;
const ANNOUNCE_EVERY_MS = 5 * SECOND;
const SCAN_EVERY_MS = 60 * SECOND;

export interface PresenceParts {
  readonly workerId: string;
  readonly config: Pick<Config, 'hostName' | 'device' | 'modelDirs'>;
  readonly registry: FarmRegistry;
  readonly speeds: LaneSpeeds;
  readonly puller: Pick<LanePuller, 'reclaim'>;
  readonly catalog: ModelCatalog;
  readonly served: ServedModels;
  readonly status: () => SupervisorStatus;
  readonly log: Logger;
}

export class Presence {
  readonly #parts: PresenceParts;
  readonly #startedAt = Date.now();

  constructor(parts: PresenceParts) {
    this.#parts = parts;
  }

  /** Offers the models on disk; from then on jobs for them are accepted. Names this worker from then on. */
  async begin(): Promise<void> {
    await this.#offer();
    await this.announce();
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { log } = this.#parts;
    await Promise.all([
      every(ANNOUNCE_EVERY_MS, () => this.announce(), { title: 'Announcing the worker', signal, log }),
      every(SCAN_EVERY_MS, () => this.#offer(), { title: 'Looking for models', signal, log }),
    ]);
  }

  /** Puts back at once what workers of this machine held that have died, instead of waiting for their locks. */
  async reclaimFromTheDead(): Promise<void> {
    const { registry, puller, workerId, config, log } = this.#parts;
    const others = (await registry.workers()).filter(
      ({ id, host }) => host === config.hostName && id !== workerId,
    );
    for (const { id, pid } of others) {
      if (isAlive(pid)) continue;
      const reclaimed = await puller.reclaim(id);
      await registry.withdraw(id);
      log.warn({ deadWorker: id, reclaimed }, 'Jobs of a dead worker were put back');
    }
  }

  async end(): Promise<void> {
    await this.#parts.registry.withdraw(this.#parts.workerId);
  }

  async #offer(): Promise<void> {
    const { catalog, registry } = this.#parts;
    await catalog.scan();
    await registry.offerModels(catalog.offers);
  }

  /** Also between its turns, when what the farm should know has changed. */
  async announce(): Promise<void> {
    const { workerId, config, registry, speeds, served, status } = this.#parts;
    const { models, speeds: measured, ...rest } = status();
    const worker: WorkerStatus = {
      id: workerId,
      host: config.hostName,
      pid: process.pid,
      device: config.device,
      ...rest,
      models: this.#models(models),
      startedAt: this.#startedAt,
      seenAt: Date.now(),
    };
    await registry.announce(worker);
    await speeds.note(measured);
    served.learn(await registry.models(), performance.now());
  }

  /** Every model on disk; of those that the engine has had to do with, what became of them. */
  #models(inEngine: SupervisorStatus['models']): WorkerModel[] {
    const { catalog, config } = this.#parts;
    const { offers, refusals } = catalog;
    const told = (reason: string): string => forCallers(reason, config.modelDirs);
    const offered = offers.map(({ name }): WorkerModel => {
      const { state, reason } = inEngine.get(name) ?? { state: 'cold', reason: null };
      return { name, state, reason: reason === null ? null : told(reason) };
    });
    const refused = [...refusals].map(([name, reason]): WorkerModel => ({
      name,
      state: 'refused',
      reason: told(reason),
    }));
    return [...offered, ...refused];
  }
}

/** Signal 0 only asks. A process of another user counts as alive, too. */
function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
