/**
 * One image on its way through the engine, over one stage or two. The second stage enlarges the first one's picture:
 * it is what a job of kind upscale would do with that picture and the same seed, to the bit.
 */
import { laneName } from '../../../src/domain/lane.ts';
import type { WaitingSample } from '../../../src/domain/pick-batch.ts';
import type { Sample } from '../diffusion/denoise.ts';
import type { SampleRequest } from '../diffusion/sample-request.ts';
import type { RawImage } from '../image/raw-image.ts';
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

  /** Calls done and to do over both stages. What the second one takes is known exactly once it has begun. */
  get progress(): { call: number; calls: number } {
    const { upscale } = this.order;
    const inSecond = this.enlargement !== undefined && this.sample !== undefined;
    const ahead = upscale === null || inSecond ? 0 : upscale.steps;
    return {
      call: this.#callsBefore + (this.sample?.callsDone ?? 0),
      calls: this.#callsBefore + (this.sample?.sampler.calls ?? 0) + ahead,
    };
  }

  get averageBatch(): number {
    return this.#company / this.progress.calls;
  }

  /** The sample has made a step in a batch of this size. */
  rode(batchSize: number): void {
    this.#company += batchSize;
    this.#isRetrying = false;
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
}
