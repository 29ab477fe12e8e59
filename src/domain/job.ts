/** The job as the farm knows it: validated parameters, the record, and what a run of it yields. */
import type { SamplerName } from '../contract/samplers.ts';
import type { JobState } from './job-state.ts';

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

/** A request after every default is filled and every limit checked. Stored once, as JSON, in the record. */
export interface JobParams {
  readonly kind: 'txt2img';
  readonly model: string;
  readonly prompt: string;
  readonly negativePrompt: string;
  readonly width: number;
  readonly height: number;
  readonly steps: number;
  readonly guidanceScale: number;
  /** 0 to 1: how much of the guided output is brought back to the deviation of the unguided one. */
  readonly guidanceRescale: number;
  /** How many of the text encoder's last layers are left out. */
  readonly clipSkip: number;
  /** One seed per image. */
  readonly seeds: readonly number[];
  readonly sampler: SamplerName;
  readonly priority: Priority;
  readonly output: { readonly format: OutputFormat; readonly quality: number };
  readonly metadata: Readonly<Record<string, string>>;
}

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
