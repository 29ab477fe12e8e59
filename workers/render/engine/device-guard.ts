/** What to make of the device's faults: when it is full, let go of idle models; when it is broken, end the process. */
import type { Device } from '../../../src/domain/batch-limits.ts';
import type { LoadedModel } from '../diffusion/loaded-model.ts';
import { isCudaFault, isOutOfMemory } from './failure-of.ts';
import type { ModelShelf } from './model-shelf.ts';
import type { EngineEvent } from './protocol.ts';

interface DeviceGuardParts {
  readonly device: Device;
  readonly models: ModelShelf;
  readonly emit: (event: EngineEvent) => Promise<void>;
}

export class DeviceGuard {
  readonly #parts: DeviceGuardParts;

  constructor(parts: DeviceGuardParts) {
    this.#parts = parts;
  }

  /** Does a piece of work of one sample; when the device is full, once more without the models that lie idle. */
  async withRoom<Result>({ name }: LoadedModel, work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      if (!isOutOfMemory(error) || !(await this.makeRoom(name))) throw error;
    }
    return work();
  }

  /** True when a model was there to be released. */
  async makeRoom(atWork: string): Promise<boolean> {
    const { models, emit } = this.#parts;
    const released = await models.releaseIdle(atWork);
    for (const name of released) await emit({ kind: 'model', state: 'released', name });
    return released.length > 0;
  }

  /** Most CUDA errors leave a context in which every later call fails too: only a new process helps. */
  rethrowIfFatal(error: unknown): void {
    if (this.#parts.device === 'cuda' && error instanceof Error && isCudaFault(error)) throw error;
  }
}
