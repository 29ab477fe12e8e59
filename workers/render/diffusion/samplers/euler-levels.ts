/** What the Euler samplers share: latents that hold signal + sigma * noise, and the sigmas they walk down. */
import type { NoiseScheduleConfig, PredictionType } from '../noise-schedule.ts';
import { cleanSample, type Mix } from '../prediction.ts';
import { interpolate, modelSigmas } from '../sigmas.ts';
import { spacedTimesteps } from '../timesteps.ts';

const DEFAULT_SPACING = 'linspace';

export interface EulerLevels {
  /** `[N]`, descending, with fractions where the spacing has them. */
  readonly timesteps: readonly number[];
  /** `[N + 1]`; the last is 0. */
  readonly sigmas: Float32Array;
  readonly initNoiseSigma: number;
}

/** Throws when `steps` does not suit the schedule. */
export function eulerLevels(config: NoiseScheduleConfig, steps: number): EulerLevels {
  const timesteps = spacedTimesteps(config, steps, {
    family: 'continuous',
    defaultSpacing: DEFAULT_SPACING,
  });
  const table = modelSigmas(config);
  const sigmas = Float32Array.of(...timesteps.map((timestep) => interpolate(table, timestep)), 0);
  // Leading schedules start below the last timestep: their noise must also stand for the signal left there.
  const highest = sigmas[0]!;
  const isLeading = (config.timestepSpacing ?? DEFAULT_SPACING) === 'leading';
  return { timesteps, sigmas, initNoiseSigma: isLeading ? Math.sqrt(highest ** 2 + 1) : highest };
}

/** The UNet was trained on unit variance. */
export function unitVarianceScale(sigma: number): number {
  return 1 / Math.sqrt(sigma ** 2 + 1);
}

/** The clean sample, from unscaled latents and the output for the scaled ones. */
export function cleanOfUnscaled(type: PredictionType, sigma: number): Mix {
  const alpha = unitVarianceScale(sigma);
  const clean = cleanSample(type, alpha, sigma * alpha);
  return { latents: clean.latents * alpha, output: clean.output };
}
