/**
 * The noise schedule a model was trained with, as its published `scheduler_config.json` states it.
 *
 * Only keys that stand in the file are kept; null means absent. What is absent takes the default of the sampler's
 * own class, not of the class that wrote the file: that is how diffusers' `from_config` carries a schedule from one
 * sampler to another, and published images depend on it.
 */
import type { JobKind } from '../../../src/domain/job.ts';

const BETA_SCHEDULES = ['linear', 'scaled_linear', 'squaredcos_cap_v2'] as const;
const PREDICTION_TYPES = ['epsilon', 'v_prediction', 'sample'] as const;
const TIMESTEP_SPACINGS = ['leading', 'linspace', 'trailing'] as const;

export type BetaSchedule = (typeof BETA_SCHEDULES)[number];
/** What the UNet predicts: the noise, the velocity (Salimans & Ho 2022) or the clean sample. */
export type PredictionType = (typeof PREDICTION_TYPES)[number];
/** How the N timesteps are chosen among the training timesteps (Lin et al. 2023, table 2). */
export type TimestepSpacing = (typeof TIMESTEP_SPACINGS)[number];

export interface NoiseScheduleConfig {
  /** The class that wrote the file, for example `PNDMScheduler`. */
  readonly className: string | null;
  readonly numTrainTimesteps: number | null;
  readonly betaStart: number | null;
  readonly betaEnd: number | null;
  readonly betaSchedule: BetaSchedule | null;
  /** Betas given one by one; they win over the keys above. */
  readonly trainedBetas: readonly number[] | null;
  readonly predictionType: PredictionType | null;
  readonly timestepSpacing: TimestepSpacing | null;
  /** Added to every timestep of the leading spacing. */
  readonly stepsOffset: number | null;
  /** Whether the last step ends at a signal of exactly 1 rather than at that of timestep 0. */
  readonly setAlphaToOne: boolean | null;
  /** Whether the predicted clean sample is clamped, and to which absolute value. */
  readonly clipSample: boolean | null;
  readonly clipSampleRange: number | null;
  /** Rescale the betas so that the last timestep is pure noise (Lin et al. 2023, algorithm 1). */
  readonly rescaleBetasZeroSnr: boolean | null;
  readonly useKarrasSigmas: boolean | null;
  /** The solver within the class of DPM-Solver. */
  readonly algorithmType: string | null;
  /** For LCM: on how many timesteps the model was distilled, and the scale of its boundary condition. */
  readonly originalInferenceSteps: number | null;
  readonly timestepScaling: number | null;
}

/** Throws with the key, its value and what it may be when a file states something Kiln cannot follow. */
export function parseNoiseScheduleConfig(json: unknown): NoiseScheduleConfig {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new TypeError('scheduler_config.json must hold a JSON object');
  }
  const file = new Map<string, unknown>(Object.entries(json));
  refuseUnsupported(file);
  return {
    className: read(file, '_class_name', STRING),
    numTrainTimesteps: read(file, 'num_train_timesteps', COUNT),
    betaStart: read(file, 'beta_start', BETA),
    betaEnd: read(file, 'beta_end', BETA),
    betaSchedule: read(file, 'beta_schedule', oneOf(BETA_SCHEDULES)),
    trainedBetas: read(file, 'trained_betas', BETAS),
    predictionType: read(file, 'prediction_type', oneOf(PREDICTION_TYPES)),
    timestepSpacing: read(file, 'timestep_spacing', oneOf(TIMESTEP_SPACINGS)),
    stepsOffset: read(file, 'steps_offset', OFFSET),
    setAlphaToOne: read(file, 'set_alpha_to_one', BOOLEAN),
    clipSample: read(file, 'clip_sample', BOOLEAN),
    clipSampleRange: read(file, 'clip_sample_range', POSITIVE),
    rescaleBetasZeroSnr: read(file, 'rescale_betas_zero_snr', BOOLEAN),
    useKarrasSigmas: read(file, 'use_karras_sigmas', BOOLEAN),
    algorithmType: read(file, 'algorithm_type', STRING),
    originalInferenceSteps: read(file, 'original_inference_steps', COUNT),
    timestepScaling: read(file, 'timestep_scaling', POSITIVE),
  };
}

/** Kinds of job whose pipelines start the leading spacing at timestep 1, and those that never clip latents. */
const STARTS_AT_ONE: readonly JobKind[] = ['txt2img', 'img2img', 'inpaint'];
const NEVER_CLIPS: readonly JobKind[] = ['txt2img', 'img2img'];

/**
 * diffusers' pipelines correct their own sampler where the file is from before these two keys were settled, each
 * pipeline other keys. Another sampler takes the corrected keys over only if the file states them, like all keys.
 */
export function withPipelineRules(
  config: NoiseScheduleConfig,
  kind: JobKind,
  isOwnSampler: boolean,
): NoiseScheduleConfig {
  const { stepsOffset, clipSample } = config;
  const correctsOffset = STARTS_AT_ONE.includes(kind) && (isOwnSampler || stepsOffset !== null);
  const correctsClip = NEVER_CLIPS.includes(kind) && (isOwnSampler || clipSample !== null);
  return {
    ...config,
    stepsOffset: correctsOffset ? 1 : stepsOffset,
    clipSample: correctsClip ? false : clipSample,
  };
}

/**
 * Dynamic thresholding is for pixel models: a latent model's file that asks for it cannot be followed. Nor can noise
 * predicted from pure noise: it says nothing about the image, whatever the sampler (Lin et al. 2023, section 3.2).
 */
function refuseUnsupported(file: ReadonlyMap<string, unknown>): void {
  if (file.get('thresholding') === true) {
    throw new Error('scheduler_config.json: "thresholding" is true, but latent models cannot be thresholded');
  }
  const predictsNoise = (file.get('prediction_type') ?? 'epsilon') === 'epsilon';
  if (file.get('rescale_betas_zero_snr') === true && predictsNoise) {
    throw new Error(
      'scheduler_config.json: "rescale_betas_zero_snr" is true, but "prediction_type" is "epsilon": ' +
        'a schedule that starts from pure noise needs "v_prediction" or "sample"',
    );
  }
}

interface Rule<T> {
  readonly accepts: (value: unknown) => value is T;
  /** Completes "must be ...". */
  readonly wanted: string;
}

const STRING: Rule<string> = { accepts: (value) => typeof value === 'string', wanted: 'a string' };
const BOOLEAN: Rule<boolean> = { accepts: (value) => typeof value === 'boolean', wanted: 'true or false' };
const COUNT = number((value) => Number.isInteger(value) && value >= 2, 'a whole number of at least 2');
const OFFSET = number((value) => Number.isInteger(value) && value >= 0, 'a whole number of at least 0');
const POSITIVE = number((value) => value > 0, 'a number above 0');
const BETA = number((value) => value > 0 && value < 1, 'a number between 0 and 1');
const BETAS: Rule<number[]> = {
  accepts: (value): value is number[] =>
    Array.isArray(value) && value.length >= 2 && value.every(BETA.accepts),
  wanted: 'a list of at least 2 numbers between 0 and 1',
};

function number(test: (value: number) => boolean, wanted: string): Rule<number> {
  return { accepts: (value): value is number => typeof value === 'number' && test(value), wanted };
}

function oneOf<T extends string>(names: readonly T[]): Rule<T> {
  return {
    accepts: (value): value is T => names.some((name) => name === value),
    wanted: `one of ${names.join(', ')}`,
  };
}

/** Absent and JSON null are the same: diffusers writes null for options that are off. */
function read<T>(file: ReadonlyMap<string, unknown>, key: string, rule: Rule<T>): T | null {
  const value = file.get(key);
  if (value === undefined || value === null) return null;
  if (rule.accepts(value)) return value;
  throw new TypeError(
    `scheduler_config.json: "${key}" is ${JSON.stringify(value)}, but must be ${rule.wanted}`,
  );
}
