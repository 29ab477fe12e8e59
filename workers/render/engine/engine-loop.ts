/**
 * Continuous batching. There is no batch to wait for: between two UNet calls the engine lets messages in, takes new
 * samples, forgets dropped ones, and picks who rides in the next call. A sample leaves as soon as its own last call
 * is done, and its place is free at once.
 *
 *   turn -> pick -> (load the model) -> (start newcomers) -> say who is aboard -> one UNet call -> decode who is done
 *
 * Of two stages the second begins where the first has ended: the sample goes on in its other lane, due when it was.
 *
 * One call runs at a time and blocks the thread, so nothing here needs a lock; everything awaited lets messages in,
 * so who is still wanted is checked again after each wait. At most one decoded image is held, beside the smaller ones
 * that wait for their second stage.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { Device } from '../../../src/domain/batch-limits.ts';
import type { RenderFailure } from '../../../src/domain/failure.ts';
import { pickBatch } from '../../../src/domain/pick-batch.ts';
import type { RawImage } from '../image/raw-image.ts';
import {
  decodeSample,
  isDenoised,
  startSample,
  stepBatch,
  type DecodeOutcome,
} from '../diffusion/denoise.ts';
import type { LoadedModel } from '../diffusion/loaded-model.ts';
import type { SampleRequest } from '../diffusion/sample-request.ts';
import type { TextCache } from '../diffusion/text-cache.ts';
import type { BatchSizes, LaneShape } from './batch-sizes.ts';
import { Entry, type Rider } from './entry.ts';
import { failureOf, isCudaFault, isOutOfMemory, numericFailure } from './failure-of.ts';
import { InputImages } from './input-images.ts';
import type { ModelShelf } from './model-shelf.ts';
import type { Doing, EngineCommand, EngineEvent } from './protocol.ts';

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

export class EngineLoop {
  readonly #parts: EngineParts;
  readonly #entries = new Map<string, Entry>();
  readonly #inputs = new InputImages();
  #stopped = false;
  #wake: (() => void) | undefined;

  constructor(parts: EngineParts) {
    this.#parts = parts;
  }

  /** Takes effect before the next UNet call. */
  receive(command: EngineCommand): void {
    switch (command.kind) {
      case 'add':
        for (const order of command.samples) this.#entries.set(order.id, new Entry(order, this.#parts.now()));
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
    for (const name of this.#parts.models.pinned) await this.#load(name);
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
    const model = this.#parts.models.get(head.model) ?? (await this.#load(head.model));
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
  async #roomOf(head: Entry, model: LoadedModel): Promise<number> {
    const { sizes } = this.#parts;
    await sizes.measure(head.lane, shapeOf(head, model));
    return sizes.maxBatchSize(head.lane);
  }

  /** Undefined when it cannot be loaded, after all of its samples have failed. */
  async #load(name: string): Promise<LoadedModel | undefined> {
    const { models, emit, now } = this.#parts;
    const startedAt = now();
    const waiting = [...this.#entries.values()].filter((entry) => entry.model === name);
    await emit({ kind: 'model', state: 'loading', name });
    await emit({ kind: 'aboard', doing: 'load', model: name, ids: waiting.map(({ id }) => id) });
    try {
      const { model, bytes } = await models.load(name, (gone) =>
        emit({ kind: 'model', state: 'released', name: gone }),
      );
      await emit({ kind: 'model', state: 'ready', name, ms: now() - startedAt, bytes });
      return model;
    } catch (error) {
      const failure = failureOf(error, 'load');
      await emit({ kind: 'model', state: 'failed', name, error: failure.message });
      for (const entry of waiting) await this.#fail(entry, failure);
      return undefined;
    }
  }

  /** Reads its inputs and prompt, draws the first noise; a sample that cannot start fails alone. */
  async #start(model: LoadedModel, entry: Entry): Promise<void> {
    if (entry.sample !== undefined || !this.#isWanted(entry)) return;
    const request = entry.enlargement ?? (await this.#requestOf(entry));
    if (request === undefined || !this.#isWanted(entry)) return;
    await this.#sayAboard('start', [entry]);
    try {
      entry.sample = await this.#withRoom(model, async () => {
        await this.#parts.sizes.requireRoom(shapeOf(entry, model));
        return startSample(model, request, this.#parts.texts);
      });
    } catch (error) {
      this.#rethrowIfFatal(error);
      await this.#fail(entry, failureOf(error, 'start'));
      return;
    }
    await this.#showDepth(entry);
  }

  /** Undefined when an input is not what it should be: the sample has failed then. */
  async #requestOf(entry: Entry): Promise<SampleRequest | undefined> {
    if (entry.order.request.kind !== 'txt2img') await this.#sayAboard('input', [entry]);
    try {
      return await this.#inputs.requestOf(entry.order);
    } catch (error) {
      await this.#fail(entry, failureOf(error, 'input'));
      return undefined;
    }
  }

  async #showDepth({ id, order, sample }: Entry): Promise<void> {
    const map = sample?.depthMap ?? null;
    if (order.wantsDepthMap && map !== null) await this.#parts.emit({ kind: 'depth_map', id, ...map });
  }

  async #board(doing: Doing, entries: readonly Entry[]): Promise<Rider[]> {
    const riders = entries.filter(
      (entry): entry is Rider => this.#isWanted(entry) && entry.sample !== undefined,
    );
    if (riders.length === 0) return [];
    await this.#sayAboard(doing, riders);
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
    for (const rider of riders) await this.#afterStep(rider, riders.length);
  }

  async #afterStep(rider: Rider, batchSize: number): Promise<void> {
    const { failure } = rider.sample;
    if (failure === null) rider.rode(batchSize);
    else if (!rider.mayRetry()) await this.#fail(rider, numericFailure(failure));
  }

  async #reportStep(riders: readonly Rider[], ms: number): Promise<void> {
    const [head] = riders;
    if (head === undefined) return;
    const { emit, sizes, texts } = this.#parts;
    await emit({
      kind: 'stepped',
      lane: head.lane,
      ms,
      maxBatchSize: sizes.maxBatchSize(head.lane),
      rows: riders.reduce((rows, { sample }) => rows + sample.textRows.length, 0),
      texts: { hits: texts.hits, misses: texts.misses },
      samples: riders.map(({ id, progress }) => ({ id, ...progress })),
    });
  }

  /** A call that rejects has changed no sample: the same step is tried again in smaller company, in the end alone. */
  async #afterStepError(error: unknown, riders: readonly Rider[]): Promise<void> {
    this.#rethrowIfFatal(error);
    const [head, ...others] = riders;
    if (head === undefined) return;
    if (others.length > 0) {
      if (isOutOfMemory(error)) this.#parts.sizes.halve(head.lane, riders.length);
      else for (const rider of riders) rider.isSuspect = true;
    } else if (!isOutOfMemory(error) || !(await this.#makeRoom(head.model))) {
      await this.#fail(head, failureOf(error, 'step'));
    }
  }

  async #decode(model: LoadedModel, rider: Rider): Promise<void> {
    const [wanted] = await this.#board('decode', [rider]);
    if (wanted === undefined) return;
    const outcome = await this.#tryDecode(model, wanted);
    if (outcome.kind === 'failed') await this.#fail(wanted, outcome.failure);
    else if (!wanted.enlarge(outcome.image)) await this.#finish(wanted, outcome.image);
  }

  /** Like a step, a decoding whose numbers overflow is made once more. */
  async #tryDecode(model: LoadedModel, { sample }: Rider): Promise<Decoded> {
    const decode = (): Promise<DecodeOutcome> => this.#withRoom(model, () => decodeSample(model, sample));
    try {
      let outcome = await decode();
      if (outcome.kind === 'failure') outcome = await decode();
      if (outcome.kind === 'image') return outcome;
      return { kind: 'failed', failure: numericFailure(outcome.failure) };
    } catch (error) {
      this.#rethrowIfFatal(error);
      return { kind: 'failed', failure: failureOf(error, 'decode') };
    }
  }

  /** Does a piece of work of one sample; when the device is full, once more without the models that lie idle. */
  async #withRoom<Result>({ name }: LoadedModel, work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      if (!isOutOfMemory(error) || !(await this.#makeRoom(name))) throw error;
    }
    return work();
  }

  /** True when a model was there to be released. */
  async #makeRoom(atWork: string): Promise<boolean> {
    const released = await this.#parts.models.releaseIdle(atWork);
    for (const name of released) await this.#parts.emit({ kind: 'model', state: 'released', name });
    return released.length > 0;
  }

  async #finish({ id, averageBatch }: Rider, image: RawImage): Promise<void> {
    this.#entries.delete(id);
    await this.#parts.emit({ kind: 'image', id, ...image, averageBatch });
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

  #sayAboard(doing: Doing, entries: readonly Entry[]): Promise<void> {
    const model = entries[0]?.model ?? '';
    return this.#parts.emit({ kind: 'aboard', doing, model, ids: entries.map(({ id }) => id) });
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

function shapeOf({ size }: Entry, { peakChannels, latentScale }: LoadedModel): LaneShape {
  return { peakChannels, latentHeight: size.height / latentScale, latentWidth: size.width / latentScale };
}
