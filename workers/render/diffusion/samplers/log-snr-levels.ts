/** What the multistep solvers share: noise levels spaced for intervals, timed by the signal-to-noise ratio. */
import type { NoiseScheduleConfig } from '../noise-schedule.ts';
import { interpolate, karrasSigmas, modelSigmas, timestepOfSigma } from '../sigmas.ts';
import { roundHalfEven, spacedTimesteps } from '../timesteps.ts';
import type { NoiseLevel, Run } from './sampler.ts';
import { skippedSteps } from './strength.ts';

const DEFAULT_SPACING = 'linspace';

/** One noise level in variance-preserving terms: alpha^2 + sigma^2 = 1. */
export interface LogSnrLevel extends NoiseLevel {
  /** Half the logarithm of the signal-to-noise ratio: the solver's time. Infinite where no noise is left. */
  readonly lambda: number;
}

interface LogSnrLevels {
  /** `[calls]`, descending. */
  readonly timesteps: readonly number[];
  /** `[calls + 1]`; the last one is free of noise. */
  readonly levels: readonly LogSnrLevel[];
}

/**
 * `karras`: sigmas spaced as in Karras et al. 2022 instead of by timestep.
 * Throws when the steps do not suit the schedule, or the strength leaves none.
 */
export function logSnrLevels(config: NoiseScheduleConfig, run: Run, karras: boolean): LogSnrLevels {
  const table = modelSigmas(config);
  const spaced = spacedTimesteps(config, run.steps, { family: 'interval', defaultSpacing: DEFAULT_SPACING });
  const sigmas = karras
    ? karrasSigmas({ lowest: table[0]!, highest: table.at(-1)! }, run.steps)
    : spaced.map((timestep) => interpolate(table, timestep));
  const timesteps = karras ? sigmas.map((sigma) => roundHalfEven(timestepOfSigma(table, sigma))) : spaced;
  const skipped = skippedSteps(run);
  return {
    timesteps: timesteps.slice(skipped),
    levels: [...sigmas.slice(skipped), 0].map((sigma) => level(Math.fround(sigma))),
  };
}

function level(noiseToSignal: number): LogSnrLevel {
  const alpha = 1 / Math.sqrt(noiseToSignal ** 2 + 1);
  return { alpha, sigma: noiseToSignal * alpha, lambda: -Math.log(noiseToSignal) };
}
