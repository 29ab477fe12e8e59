/** The job as the farm knows it: validated parameters, the record, and what a run of it yields. */
import type { SamplerName } from '../contract/samplers.ts';
import type { JobState } from './job-state.ts';
import type { JobWebhook } from './webhook.ts';

export const JOB_KINDS = ['txt2img', 'img2img', 'depth', 'inpaint', 'upscale'] as const;
export type JobKind = (typeof JOB_KINDS)[number];

export const DEFAULT_TENANT = 'default';

export const PRIORITIES = ['interactive', 'normal', 'bulk'] as const;
export type Priority = (typeof PRIORITIES)[number];

/** BullMQ priorities: lower goes first, and never 0 (0 selects a list in which position and removal cost O(n)). */
export const PRIORITY_RANK: Readonly<Record<Priority, number>> = {
  interactive: 10,
  normal: 100,
  bulk: 1_000,
};

export const OUTPUT_FORMATS = ['png', 'jpeg', 'webp'] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

/** Addresses a job: every read goes through the tenant, so a foreign id is simply absent. */
export interface JobRef {
  readonly tenant: string;
  readonly id: string;
}

/** The row of a bulk that a job stands for: counted from 0, over the rows that were accepted. */
export interface BulkPlace {
  readonly id: string;
  readonly row: number;
}

/**
 * What a job starts from, in the object store: an image, `up_` and the SHA-256, in hex, of its canonical PNG; or latents,
 * `lat_` and that of their file.
 */
export type InputId = string;

export const LATENTS_PREFIX = 'lat_';

/** `fast` colours the latents; `full` decodes them, which costs what the decoding of the image costs. */
export const PREVIEW_KINDS = ['fast', 'full'] as const;
export type PreviewKind = (typeof PREVIEW_KINDS)[number];

/** How a job shows its images on the way. It changes nothing about them. */
export interface PreviewWish {
  /** Steps from one preview to the next. */
  readonly every: number;
  readonly kind: PreviewKind;
}

/** Where a job goes on that starts from the latents of another. */
export interface StartPoint {
  readonly latents: InputId;
  /** UNet calls that lie behind them. */
  readonly step: number;
}

/** A request after every default is filled and every limit checked. Stored once, as JSON, in the record. */
interface CommonParams {
  readonly model: string;
  readonly prompt: string;
  readonly negativePrompt: string;
  /**
   * Pixels of the image that the UNet's latents stand for. That is the size of the output, except: with `cropPadding`
   * it is the size to work at, and the output has that of the input; with an `upscale` stage the output is 4 times as
   * large. Of the kind `upscale` it is the output, 4 times the low-resolution image.
   */
  readonly width: number;
  readonly height: number;
  readonly steps: number;
  readonly guidanceScale: number;
  /** 0 to 1: how much of the guided output is brought back to the deviation of the unguided one. */
  readonly guidanceRescale: number;
  /** How many of the text encoder's last layers are left out. */
  readonly clipSkip: number;
  /** 0 to 1: noise that DDIM adds on the way. 0 with every other sampler. */
  readonly eta: number;
  /** One seed per image. */
  readonly seeds: readonly number[];
  readonly sampler: SamplerName;
  readonly priority: Priority;
  readonly output: { readonly format: OutputFormat; readonly quality: number };
  readonly metadata: Readonly<Record<string, string>>;
  /** Null: the farm's own, when it has one. */
  readonly webhook: JobWebhook | null;
  /** Null: it came alone. */
  readonly bulk: BulkPlace | null;
  /** Null shows none. */
  readonly preview: PreviewWish | null;
  /** UNet calls, counted from pure noise or the given image, after which it stops with its latents. Null ends in images. */
  readonly endStep: number | null;
  /** Null starts at the first step. */
  readonly startFrom: StartPoint | null;
}

/** The second of two stages: enlarges the first stage's image 4 times, with the same prompt and seed. */
export interface UpscaleStage {
  readonly model: string;
  readonly steps: number;
  readonly guidanceScale: number;
  readonly noiseLevel: number;
  readonly sampler: SamplerName;
}

export interface Txt2ImgParams extends CommonParams {
  readonly kind: 'txt2img';
  readonly upscale: UpscaleStage | null;
}

export interface Img2ImgParams extends CommonParams {
  readonly kind: 'img2img';
  readonly image: InputId;
  /** Above 0, to 1: the share of the steps that are run, on the image with as much noise. */
  readonly strength: number;
}

export interface DepthParams extends CommonParams {
  readonly kind: 'depth';
  readonly image: InputId;
  readonly strength: number;
  /** Null: the model estimates it from the image. */
  readonly depthMap: InputId | null;
  readonly returnDepthMap: boolean;
}

export interface InpaintParams extends CommonParams {
  readonly kind: 'inpaint';
  readonly image: InputId;
  /** White is repainted. */
  readonly mask: InputId;
  readonly strength: number;
  /** The pixels outside the mask are put back over the result. */
  readonly overlay: boolean;
  /** Pixels round the mask to work on, and on no more; null works on the whole image. */
  readonly cropPadding: number | null;
}

export interface UpscaleParams extends CommonParams {
  readonly kind: 'upscale';
  readonly image: InputId;
  /** Noise added to the low-resolution image: a step of the model's own schedule, most often 0 to 350. */
  readonly noiseLevel: number;
}

export type JobParams = Txt2ImgParams | Img2ImgParams | DepthParams | InpaintParams | UpscaleParams;

export interface RenderedImage {
  readonly n: number;
  readonly key: string;
  readonly seed: number;
  readonly width: number;
  readonly height: number;
  readonly bytes: number;
  readonly sha256: string;
  readonly contentType: string;
}

export interface JobResult {
  readonly images: readonly RenderedImage[];
  /** Mean number of samples in the UNet calls that made this job. */
  readonly averageBatch: number;
  /** The depth map that a `depth` job asked to have back, with n = 0. */
  readonly depthMap: RenderedImage | null;
  /** Of a job that stopped at its end step, instead of images: one file an image. Width and height are those in pixels. */
  readonly latents: readonly RenderedImage[];
}

/** Why a job ended in `failed`, in words its owner understands. Codes are listed in `failure.ts`. */
export interface JobFailure {
  readonly code: string;
  readonly message: string;
}

export interface JobProgress {
  /** UNet calls done and to do, summed over the job's images. */
  readonly step: number;
  readonly steps: number;
  readonly etaSeconds: number | null;
}

export interface JobRecord extends JobRef {
  readonly state: JobState;
  /** Grows with every claim; only its newest holder may report progress, commit, fail or hand back. */
  readonly fence: number;
  readonly lane: string;
  readonly params: JobParams;
  /** Redis TIME, milliseconds since the epoch. */
  readonly createdAt: number;
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
  /** Runs that ended in an error of the job's own; hand-backs and crashes of a worker do not count. */
  readonly attempts: number;
  /** Times an engine died while this job was in its batch, and while it was alone in it. */
  readonly crashes: number;
  readonly soloCrashes: number;
  readonly progress: JobProgress;
  readonly worker: string | null;
  readonly result: JobResult | null;
  readonly failure: JobFailure | null;
}
