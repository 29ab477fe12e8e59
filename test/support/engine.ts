/** An engine in this process, on real models, that remembers what it says. */
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { EngineCommand, EngineEvent } from '../../workers/render/engine/protocol.ts';
import type { EngineSample } from '../../workers/render/engine/sample-message.ts';
import { laneName } from '../../src/domain/lane.ts';
import { packageRoot } from '../../src/paths.ts';
import { decodeSample, isDenoised, startSample, stepBatch } from '../../workers/render/diffusion/denoise.ts';
import { TextCache } from '../../workers/render/diffusion/text-cache.ts';
import { BatchSizes } from '../../workers/render/engine/batch-sizes.ts';
import { InputImages } from '../../workers/render/engine/input-images.ts';
import { EngineLoop } from '../../workers/render/engine/engine-loop.ts';
import { ModelFiles } from '../../workers/render/engine/model-files.ts';
import { ModelShelf, type ModelSource } from '../../workers/render/engine/model-shelf.ts';

export const MODELS_DIR = join(packageRoot(), 'models');

export type EventOf<Kind extends EngineEvent['kind']> = EngineEvent & { kind: Kind };

export interface EngineOptions {
  readonly maxBatchSize?: number;
  readonly models?: ModelSource;
  readonly freeBytes?: () => Promise<number>;
  /** Bytes. */
  readonly budget?: number;
  readonly pinned?: readonly string[];
  /** Called for each event before the engine goes on; commands sent here are there before the next UNet call. */
  readonly onEvent?: (event: EngineEvent, engine: TestEngine) => void;
}

export function modelFiles(...dirs: string[]): ModelFiles {
  return new ModelFiles(dirs, { device: { kind: 'cpu' }, profile: 'lean', threads: 1 });
}

export class TestEngine {
  readonly events: EngineEvent[] = [];
  readonly ended: Promise<void>;
  readonly #loop: EngineLoop;
  #waiting: Array<{ condition: () => boolean; resolve: () => void }> = [];

  constructor(options: EngineOptions = {}) {
    const freeBytes = options.freeBytes ?? ((): Promise<number> => Promise.resolve(2 ** 34));
    this.#loop = new EngineLoop({
      device: 'cpu',
      models: new ModelShelf({
        source: options.models ?? modelFiles(MODELS_DIR),
        budget: { total: options.budget ?? 2 ** 34, own: 0 },
        pinned: options.pinned ?? [],
        freeBytes,
        privateBytes: () => 0,
      }),
      sizes: new BatchSizes({
        configured: options.maxBatchSize ?? 8,
        device: 'cpu',
        freeBytes,
        deviceFreeBytes: freeBytes,
      }),
      texts: new TextCache(2 ** 20),
      emit: (event) => this.#hear(event, options),
      now: () => performance.now(),
    });
    this.ended = this.#loop.run();
  }

  send(command: EngineCommand): void {
    this.#loop.receive(command);
  }

  add(...samples: EngineSample[]): void {
    this.send({ kind: 'add', samples });
  }

  all<Kind extends EngineEvent['kind']>(kind: Kind): Array<EventOf<Kind>> {
    return this.events.filter((event): event is EventOf<Kind> => event.kind === kind);
  }

  /** The calls that a sample took part in, as its number of calls done after each. */
  stepsOf(id: string): number[] {
    const calls = this.all('stepped').map((event) => event.samples.find((sample) => sample.id === id)?.call);
    return calls.filter((call) => call !== undefined);
  }

  /** Resolves with the images, by sample, when each of these has ended; rejects when one failed. */
  async images(...ids: string[]): Promise<Map<string, EventOf<'image'>>> {
    await this.until(() => ids.every((id) => this.end(id) !== undefined));
    return new Map(
      ids.map((id) => {
        const end = this.end(id);
        if (end?.kind !== 'image') throw new Error(`${id} failed: ${JSON.stringify(end)}`);
        return [id, end];
      }),
    );
  }

  async failure(id: string): Promise<EventOf<'failed'>['failure']> {
    await this.until(() => this.end(id) !== undefined);
    const end = this.end(id);
    if (end?.kind !== 'failed') throw new Error(`${id} did not fail`);
    return end.failure;
  }

  end(id: string): EventOf<'image'> | EventOf<'failed'> | undefined {
    return [...this.all('image'), ...this.all('failed')].find((event) => event.id === id);
  }

  async until(condition: () => boolean): Promise<void> {
    if (condition()) return;
    await new Promise<void>((resolve) => this.#waiting.push({ condition, resolve }));
  }

  async stop(): Promise<void> {
    this.send({ kind: 'stop' });
    await this.ended;
  }

  #hear(event: EngineEvent, options: EngineOptions): Promise<void> {
    this.events.push(event);
    options.onEvent?.(event, this);
    const met = this.#waiting.filter(({ condition }) => condition());
    this.#waiting = this.#waiting.filter((one) => !met.includes(one));
    for (const { resolve } of met) resolve();
    return Promise.resolve();
  }
}

type Rest = Partial<Omit<EngineSample, 'id' | 'request'>>;
type Common = Omit<EngineSample['request'], 'kind'>;
/** What is not given is as in `COMMON`. */
type Short<Request> = Request extends Common ? Omit<Request, keyof Common> & Partial<Common> : never;

const COMMON: Common = {
  prompt: 'a red sphere on a grey floor by day',
  negativePrompt: '',
  width: 64,
  height: 64,
  steps: 4,
  guidanceScale: 4,
  guidanceRescale: 0,
  clipSkip: 0,
  eta: 0,
  seed: 7,
  sampler: 'euler',
};

/** A small, quick sample of the pocket model. */
export function engineSample(id: string, request: Partial<Common> = {}, rest: Rest = {}): EngineSample {
  return sampleOfKind(id, { kind: 'txt2img', ...request }, { model: 'pocket-base', ...rest });
}

export function sampleOfKind(
  id: string,
  request: Short<EngineSample['request']>,
  rest: Rest & { readonly model: string },
): EngineSample {
  const full = { ...COMMON, ...request };
  const { width, height } = full;
  return {
    id,
    lane: laneName({ model: rest.model, width, height }),
    priority: 'normal',
    solo: false,
    inputs: {},
    upscale: null,
    wantsDepthMap: false,
    preview: null,
    endStep: null,
    ...rest,
    request: full,
  };
}

/** What the first stage of the sample looks like without any engine. */
export async function renderAlone(
  order: EngineSample,
  models: ModelSource = modelFiles(MODELS_DIR),
): Promise<Uint8Array> {
  const model = await (await models.prepare(order.model)).open();
  try {
    const request = await new InputImages().requestOf(order);
    const sample = await startSample(model, request, new TextCache(0));
    while (!isDenoised(sample)) await stepBatch(model, [sample]);
    const outcome = await decodeSample(model, sample);
    if (outcome.kind === 'failure') throw new Error(outcome.failure.message);
    return outcome.image.rgb;
  } finally {
    await model.release();
  }
}
