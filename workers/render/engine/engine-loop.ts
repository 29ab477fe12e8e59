/**
 * Continuous batching. There is no batch to wait for: between two UNet calls the engine lets messages in, takes new
 * samples, forgets dropped ones, and picks who rides in the next call. A sample leaves as soon as its own last call
 * is done, and its place is free at once.
 *
 *   turn -> pick -> (load the model) -> (start newcomers) -> say who is aboard -> one UNet call -> (show who wants it)
 *        -> decode who is done
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
import { isDenoised, startSample, stepBatch } from '../diffusion/denoise.ts';
import type { LoadedModel } from '../diffusion/loaded-model.ts';
import { Previews } from '../diffusion/preview.ts';
import type { SampleRequest } from '../diffusion/sample-request.ts';
import type { TextCache } from '../diffusion/text-cache.ts';
import type { BatchSizes, LaneShape } from './batch-sizes.ts';
import { DeviceGuard } from './device-guard.ts';
import { Entry, type Rider } from './entry.ts';
import { failureOf, isOutOfMemory, numericFailure } from './failure-of.ts';
import { InputImages } from './input-images.ts';
import { latentsFile } from './latents-file.ts';
import type { ModelShelf } from './model-shelf.ts';
import type { Doing, EngineCommand, EngineEvent } from './protocol.ts';
import { tryDecode } from './try-decode.ts';

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
  readonly #previews = new Previews();
  readonly #guard: DeviceGuard;
  #stopped = false;
  #wake: (() => void) | undefined;

  constructor(parts: EngineParts) {
    this.#parts = parts;
    this.#guard = new DeviceGuard(parts);
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
    const started = allowed.filter((entry): entry is Rider => entry.sample !== undefined);
    // All but those that go on from latents which are done.
    const riders = await this.#board(
      'step',
      started.filter(({ sample }) => !isDenoised(sample)),
    );
    if (riders.length > 0) await this.#step(model, riders);
    for (const rider of riders) await this.#show(model, rider);
    for (const rider of started) {
      if (isDenoised(rider.sample)) await this.#conclude(model, rider);
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
      entry.sample = await this.#guard.withRoom(model, async () => {
        await this.#parts.sizes.requireRoom(shapeOf(entry, model));
        return startSample(model, request, this.#parts.texts, entry.span);
      });
    } catch (error) {
      this.#guard.rethrowIfFatal(error);
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

  async #board(doing: Doing, started: readonly Rider[]): Promise<Rider[]> {
    const riders = started.filter((rider) => this.#isWanted(rider));
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
    this.#guard.rethrowIfFatal(error);
    const [head, ...others] = riders;
    if (head === undefined) return;
    if (others.length > 0) {
      if (isOutOfMemory(error)) this.#parts.sizes.halve(head.lane, riders.length);
      else for (const rider of riders) rider.isSuspect = true;
    } else if (!isOutOfMemory(error) || !(await this.#guard.makeRoom(head.model))) {
      await this.#fail(head, failureOf(error, 'step'));
    }
  }

  /** A preview that cannot be made is left out: it must not cost its image. */
  async #show(model: LoadedModel, rider: Rider): Promise<void> {
    const how = rider.takePreview();
    if (how === null) return;
    const [wanted] = await this.#board('preview', [rider]);
    if (wanted === undefined) return;
    const { now, emit } = this.#parts;
    const startedAt = now();
    try {
      const picture = await this.#previews[how](model, wanted.sample);
      const ms = now() - startedAt;
      await emit({ kind: 'preview', id: wanted.id, how, ms, ...wanted.progress, ...picture });
    } catch (error) {
      this.#guard.rethrowIfFatal(error);
    }
  }

  async #conclude(model: LoadedModel, rider: Rider): Promise<void> {
    const { order, averageBatch, id } = rider;
    if (order.endStep === null) return this.#decode(model, rider);
    if (!this.#entries.delete(id)) return;
    const file = latentsFile(rider.sample, model);
    await this.#parts.emit({ kind: 'latents', id, file, averageBatch });
  }

  async #decode(model: LoadedModel, rider: Rider): Promise<void> {
    const [wanted] = await this.#board('decode', [rider]);
    if (wanted === undefined) return;
    const outcome = await tryDecode(model, wanted.sample, this.#guard);
    if (outcome.kind === 'failed') await this.#fail(wanted, outcome.failure);
    else if (!wanted.enlarge(outcome.image)) await this.#finish(wanted, outcome.image);
  }

  async #finish({ id, averageBatch }: Rider, image: RawImage): Promise<void> {
    this.#entries.delete(id);
    await this.#parts.emit({ kind: 'image', id, ...image, averageBatch });
  }

  async #fail(entry: Entry, failure: RenderFailure): Promise<void> {
    if (!this.#entries.delete(entry.id)) return;
    await this.#parts.emit({ kind: 'failed', id: entry.id, failure });
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

function shapeOf({ size }: Entry, { peakChannels, latentScale }: LoadedModel): LaneShape {
  return { peakChannels, latentHeight: size.height / latentScale, latentWidth: size.width / latentScale };
}
