/**
 * Continuous batching. There is no batch to wait for: between two UNet calls the engine lets messages in, takes new
 * samples, forgets dropped ones, and picks who rides in the next call. A sample leaves as soon as its own last call
 * is done, and its place is free at once.
 *
 *   turn -> pick -> (load the model) -> (start newcomers) -> say who is aboard -> one UNet call -> decode who is done
 *
 * One call runs at a time and blocks the thread, so nothing here needs a lock; everything awaited lets messages in,
 * so who is still wanted is checked again after each wait. At most one decoded image is held.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { Device } from '../../../src/domain/batch-limits.ts';
import type { RenderFailure } from '../../../src/domain/failure.ts';
import { pickBatch, type WaitingSample } from '../../../src/domain/pick-batch.ts';
import type { RawImage } from '../image/raw-image.ts';
import { decodeSample, isDenoised, startSample, stepBatch, type Sample } from '../diffusion/denoise.ts';
import type { LoadedModel } from '../diffusion/loaded-model.ts';
import type { TextCache } from '../diffusion/text-cache.ts';
import type { BatchSizes } from './batch-sizes.ts';
import { failureOf, isCudaFault, isOutOfMemory, numericFailure } from './failure-of.ts';
import type { ModelShelf } from './model-shelf.ts';
import type { Doing, EngineCommand, EngineEvent, EngineSample } from './protocol.ts';

export interface EngineParts {
  readonly device: Device;
  readonly models: ModelShelf;
  readonly sizes: BatchSizes;
  readonly texts: TextCache;
  /** Resolves once the channel has taken the event, so that what is said before a crash arrives. */
  readonly emit: (event: EngineEvent) => Promise<void>;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
}

interface Entry extends WaitingSample {
  readonly order: EngineSample;
  solo: boolean;
  /** Undefined until its first step: a sample that only waits costs nothing. */
  sample: Sample | undefined;
  /** Sum of the sizes of the batches it rode in. */
  company: number;
}

/** An entry that has been started. */
type Rider = Entry & { sample: Sample };

export class EngineLoop {
  readonly #parts: EngineParts;
  readonly #entries = new Map<string, Entry>();
  #stopped = false;
  #wake: (() => void) | undefined;

  constructor(parts: EngineParts) {
    this.#parts = parts;
  }

  /** Takes effect before the next UNet call. */
  receive(command: EngineCommand): void {
    switch (command.kind) {
      case 'add':
        for (const order of command.samples) this.#entries.set(order.id, this.#entryOf(order));
        break;
      case 'drop':
        for (const id of command.ids) this.#entries.delete(id);
        break;
      case 'stop':
        this.#stopped = true;
        break;
    }
    this.#wake?.();
  }

  /** Runs until `stop`, then releases the models. Rejects on a fault after which the process must not go on. */
  async run(): Promise<void> {
    await this.#parts.emit({ kind: 'ready' });
    while (!this.#stopped) {
      const batch = pickBatch([...this.#entries.values()], this.#parts.sizes);
      const [head] = batch;
      if (head === undefined) await this.#command();
      else await this.#advance(head, batch);
      await turn();
    }
    await this.#parts.models.releaseAll();
  }

  async #advance(head: Entry, batch: readonly Entry[]): Promise<void> {
    const model = await this.#open(head);
    if (model === undefined) return;
    const allowed = batch.slice(0, await this.#roomOf(head, model));
    for (const entry of allowed) await this.#start(model, entry);
    const riders = await this.#board('step', allowed);
    if (riders.length > 0) await this.#step(model, riders);
    for (const rider of riders) {
      if (isDenoised(rider.sample)) await this.#decode(model, rider);
    }
  }

  /** The lane's max_batch_size, which is only known once its model is loaded. */
  async #roomOf({ lane, order }: Entry, model: LoadedModel): Promise<number> {
    const { sizes } = this.#parts;
    await sizes.measure(lane, {
      channels: model.baseChannels,
      latentHeight: order.request.height / model.latentScale,
      latentWidth: order.request.width / model.latentScale,
    });
    return sizes.maxBatchSize(lane);
  }

  /** The model, loaded if need be; undefined when it cannot be, after all of its samples have failed. */
  async #open({ order }: Entry): Promise<LoadedModel | undefined> {
    const { models, emit, now } = this.#parts;
    const name = order.model;
    const loaded = models.get(name);
    if (loaded !== undefined) return loaded;
    const startedAt = now();
    const waiting = [...this.#entries.values()].filter((entry) => entry.order.model === name);
    await emit({ kind: 'model', state: 'loading', name });
    await emit({ kind: 'aboard', doing: 'load', ids: waiting.map((entry) => entry.id) });
    try {
      const { model, released } = await models.load(name);
      for (const gone of released) await emit({ kind: 'model', state: 'released', name: gone });
      await emit({ kind: 'model', state: 'ready', name, ms: now() - startedAt });
      return model;
    } catch (error) {
      const failure = failureOf(error, 'load');
      await emit({ kind: 'model', state: 'failed', name, error: failure.message });
      for (const entry of waiting) await this.#fail(entry, failure);
      return undefined;
    }
  }

  /** Reads the prompt and draws the first noise; a sample that cannot start fails alone. */
  async #start(model: LoadedModel, entry: Entry): Promise<void> {
    if (entry.sample !== undefined || !this.#isWanted(entry)) return;
    await this.#parts.emit({ kind: 'aboard', doing: 'prompt', ids: [entry.id] });
    try {
      const request = { kind: 'txt2img', eta: 0, ...entry.order.request } as const;
      entry.sample = await startSample(model, request, this.#parts.texts);
    } catch (error) {
      this.#rethrowIfFatal(error);
      await this.#fail(entry, failureOf(error, 'prompt'));
    }
  }

  async #board(doing: Doing, entries: readonly Entry[]): Promise<Rider[]> {
    const riders = entries.filter(
      (entry): entry is Rider => this.#isWanted(entry) && entry.sample !== undefined,
    );
    if (riders.length === 0) return [];
    await this.#parts.emit({ kind: 'aboard', doing, ids: riders.map((rider) => rider.id) });
    return riders.filter((rider) => this.#isWanted(rider));
  }

  async #step(model: LoadedModel, riders: readonly Rider[]): Promise<void> {
    const startedAt = this.#parts.now();
    try {
      await stepBatch(
        model,
        riders.map((rider) => rider.sample),
      );
    } catch (error) {
      await this.#afterStepError(error, riders);
      return;
    }
    await this.#reportStep(riders, this.#parts.now() - startedAt);
    for (const rider of riders) {
      rider.company += riders.length;
      if (rider.sample.failure !== null) await this.#fail(rider, numericFailure(rider.sample.failure));
    }
  }

  async #reportStep(riders: readonly Rider[], ms: number): Promise<void> {
    const [head] = riders;
    if (head === undefined) return;
    await this.#parts.emit({
      kind: 'stepped',
      lane: head.lane,
      ms,
      maxBatchSize: this.#parts.sizes.maxBatchSize(head.lane),
      samples: riders.map(({ id, sample }) => ({ id, call: sample.callsDone, calls: sample.sampler.calls })),
    });
  }

  /** A call that rejects has changed no sample: the same step is tried again in smaller company, in the end alone. */
  async #afterStepError(error: unknown, riders: readonly Rider[]): Promise<void> {
    this.#rethrowIfFatal(error);
    const [head, ...others] = riders;
    if (head === undefined) return;
    if (others.length === 0) await this.#fail(head, failureOf(error, 'step'));
    else if (isOutOfMemory(error)) this.#parts.sizes.halve(head.lane, riders.length);
    else for (const rider of riders) rider.solo = true;
  }

  async #decode(model: LoadedModel, rider: Rider): Promise<void> {
    const [wanted] = await this.#board('decode', [rider]);
    if (wanted === undefined) return;
    const outcome = await this.#tryDecode(model, wanted);
    if (outcome.kind === 'failed') await this.#fail(wanted, outcome.failure);
    else await this.#finish(wanted, outcome.image);
  }

  async #tryDecode(model: LoadedModel, { sample }: Rider): Promise<Decoded> {
    try {
      const outcome = await decodeSample(model, sample);
      if (outcome.kind === 'image') return outcome;
      return { kind: 'failed', failure: numericFailure(outcome.failure) };
    } catch (error) {
      this.#rethrowIfFatal(error);
      return { kind: 'failed', failure: failureOf(error, 'decode') };
    }
  }

  async #finish({ id, sample, company }: Rider, image: RawImage): Promise<void> {
    this.#entries.delete(id);
    await this.#parts.emit({ kind: 'image', id, ...image, averageBatch: company / sample.sampler.calls });
  }

  async #fail(entry: Entry, failure: RenderFailure): Promise<void> {
    if (!this.#entries.delete(entry.id)) return;
    await this.#parts.emit({ kind: 'failed', id: entry.id, failure });
  }

  /** Most CUDA errors leave a context in which every later call fails too: only a new process helps. */
  #rethrowIfFatal(error: unknown): void {
    if (this.#parts.device === 'cuda' && error instanceof Error && isCudaFault(error)) throw error;
  }

  #isWanted(entry: Entry): boolean {
    return this.#entries.has(entry.id);
  }

  #entryOf(order: EngineSample): Entry {
    const { id, lane, priority, solo } = order;
    return {
      id,
      lane,
      priority,
      solo,
      order,
      arrivedAt: this.#parts.now(),
      sample: undefined,
      company: 0,
    };
  }

  /** Waits for the next command. */
  async #command(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }
}

type Decoded = { kind: 'image'; image: RawImage } | { kind: 'failed'; failure: RenderFailure };
