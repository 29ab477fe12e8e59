/**
 * One image on its way through the engine, over one stage or two. The second stage enlarges the first one's picture:
 * it is what a job of kind upscale would do with that picture and the same seed, to the bit.
 */
import type { PreviewKind } from '../../../src/domain/job.ts';
import { laneName } from '../../../src/domain/lane.ts';
import type { WaitingSample } from '../../../src/domain/pick-batch.ts';
import { isDenoised, type Sample } from '../diffusion/denoise.ts';
import type { SampleRequest } from '../diffusion/sample-request.ts';
import { WHOLE, type Span } from '../diffusion/span.ts';
import type { RawImage } from '../image/raw-image.ts';
import { readLatents } from './latents-file.ts';
import type { EngineSample } from './sample-message.ts';

/** The upscaler's output is this times as wide and as high as its input. */
const UPSCALE = 4;

/** An entry whose stage has been started. */
export type Rider = Entry & { sample: Sample };

export class Entry implements WaitingSample {
  readonly order: EngineSample;
  readonly arrivedAt: number;
  /** Model and size of the stage: samples of one lane may share UNet calls. */
  lane: string;
  model: string;
  /** Pixels that the stage's latents stand for. */
  size: { readonly width: number; readonly height: number };
  /** Undefined until the first step of the stage: a sample that only waits costs nothing. */
  sample: Sample | undefined;
  /** What the second stage starts from; undefined in the first. */
  enlargement: SampleRequest | undefined;
  /** It was in a batch that failed: from now on it runs alone. */
  isSuspect = false;
  /** Its next step is one that has failed before. */
  #isRetrying = false;
  /** Of the stage that is done. */
  #callsBefore = 0;
  #preview: PreviewKind | null = null;
  /** Sum of the sizes of the batches it rode in. */
  #company = 0;

  constructor(order: EngineSample, arrivedAt: number) {
    this.order = order;
    this.arrivedAt = arrivedAt;
    this.lane = order.lane;
    this.model = order.model;
    this.size = order.request;
  }

  get id(): string {
    return this.order.id;
  }

  get priority(): EngineSample['priority'] {
    return this.order.priority;
  }

  get solo(): boolean {
    return this.order.solo || this.isSuspect || this.#isRetrying;
  }

  /** The part of its stage that it makes. Throws a RangeError when the latents to go on from cannot be read. */
  get span(): Span {
    if (this.enlargement !== undefined) return WHOLE;
    const { inputs, endStep } = this.order;
    return { from: inputs.latents === undefined ? null : readLatents(inputs.latents), endStep };
  }

  /**
   * Calls done and to do over both stages, those before its span left out. What the second one takes is known exactly
   * once it has begun.
   */
  get progress(): { call: number; calls: number } {
    const { upscale } = this.order;
    const { callsDone, firstCall, lastCall } = this.sample ?? { callsDone: 0, firstCall: 0, lastCall: 0 };
    const inSecond = this.enlargement !== undefined && this.sample !== undefined;
    const ahead = upscale === null || inSecond ? 0 : upscale.steps;
    return {
      call: this.#callsBefore + callsDone - firstCall,
      calls: this.#callsBefore + lastCall - firstCall + ahead,
    };
  }

  get averageBatch(): number {
    const { calls } = this.progress;
    return calls === 0 ? 1 : this.#company / calls;
  }

  /** The sample has made a step in a batch of this size. */
  rode(batchSize: number): void {
    this.#company += batchSize;
    this.#isRetrying = false;
    this.#preview = this.#previewNow();
  }

  /** How it is to be shown after the step that it has just made: once, and null when it is not. */
  takePreview(): PreviewKind | null {
    const preview = this.#preview;
    this.#preview = null;
    return preview;
  }

  /**
   * Its step gave numbers that are not finite, and has changed nothing. True for the first time in a row: the step is
   * to be made again, alone, in case company had a part in it.
   */
  mayRetry(): boolean {
    if (this.#isRetrying) return false;
    this.#isRetrying = true;
    if (this.sample !== undefined) this.sample.failure = null;
    return true;
  }

  /** False when the picture is the image. Otherwise the sample waits in its second lane, due when it was before. */
  enlarge(picture: RawImage): boolean {
    const { upscale, request } = this.order;
    if (upscale === null || this.enlargement !== undefined) return false;
    this.#callsBefore = this.progress.call;
    this.sample = undefined;
    this.size = { width: UPSCALE * picture.width, height: UPSCALE * picture.height };
    this.model = upscale.model;
    this.lane = laneName({ model: this.model, ...this.size });
    this.enlargement = {
      kind: 'upscale',
      image: picture,
      ...this.size,
      prompt: request.prompt,
      negativePrompt: request.negativePrompt,
      seed: request.seed,
      sampler: upscale.sampler,
      steps: upscale.steps,
      guidanceScale: upscale.guidanceScale,
      noiseLevel: upscale.noiseLevel,
      guidanceRescale: 0,
      clipSkip: 0,
      eta: 0,
    };
    return true;
  }

  /**
   * The first step shows it in any case, the last one never: what that gives is about to come. A picture of the second
   * stage is too large to be decoded for a look.
   */
  #previewNow(): PreviewKind | null {
    const { preview } = this.order;
    if (preview === null || this.sample === undefined || isDenoised(this.sample)) return null;
    const call = this.sample.callsDone - this.sample.firstCall;
    if (call !== 1 && call % preview.every !== 0) return null;
    return this.enlargement === undefined ? preview.kind : 'fast';
  }
}
