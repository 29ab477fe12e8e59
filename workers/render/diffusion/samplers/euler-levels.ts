/** What the Euler samplers share: latents that hold signal + sigma * noise, and the sigmas they walk down. */
import type { NoiseScheduleConfig, PredictionType } from '../noise-schedule.ts';
import { cleanSample, type Mix } from '../prediction.ts';
import { interpolate, modelSigmas } from '../sigmas.ts';
import { spacedTimesteps } from '../timesteps.ts';
import type { Run } from './sampler.ts';
import { skippedSteps } from './strength.ts';

const DEFAULT_SPACING = 'linspace';

interface EulerLevels {
  /** `[calls]`, descending, with fractions where the spacing has them. */
  readonly timesteps: readonly number[];
  /** `[calls + 1]`; the last is 0. */
  readonly sigmas: Float32Array;
  /** Of pure noise, whatever the strength. */
  readonly initNoiseSigma: number;
}

/** Throws when the steps do not suit the schedule, or the strength leaves none. */
export function eulerLevels(config: NoiseScheduleConfig, run: Run): EulerLevels {
  const timesteps = spacedTimesteps(config, run.steps, {
    family: 'continuous',
    defaultSpacing: DEFAULT_SPACING,
  });
  const table = modelSigmas(config);
  const sigmas = Float32Array.of(...timesteps.map((timestep) => interpolate(table, timestep)), 0);
  // Leading schedules start below the last timestep: their noise must also stand for the signal left there.
  const highest = sigmas[0]!;
  const isLeading = (config.timestepSpacing ?? DEFAULT_SPACING) === 'leading';
  const skipped = skippedSteps(run);
  return {
    timesteps: timesteps.slice(skipped),
    sigmas: sigmas.slice(skipped),
    initNoiseSigma: isLeading ? Math.sqrt(highest ** 2 + 1) : highest,
  };
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
