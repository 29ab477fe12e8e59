/** What the multistep solvers share: noise levels spaced for intervals, timed by the signal-to-noise ratio. */
import type { NoiseScheduleConfig } from '../noise-schedule.ts';
import { interpolate, karrasSigmas, modelSigmas, timestepOfSigma } from '../sigmas.ts';
import { roundHalfEven, spacedTimesteps } from '../timesteps.ts';

const DEFAULT_SPACING = 'linspace';

/** One noise level in variance-preserving terms: alpha^2 + sigma^2 = 1. */
export interface Level {
  readonly alpha: number;
  readonly sigma: number;
  /** Half the logarithm of the signal-to-noise ratio: the solver's time. Infinite where no noise is left. */
  readonly lambda: number;
}

export interface LogSnrLevels {
  /** `[N]`, descending. */
  readonly timesteps: readonly number[];
  /** `[N + 1]`; the last one is free of noise. */
  readonly levels: readonly Level[];
}

/**
 * `karras`: sigmas spaced as in Karras et al. 2022 instead of by timestep.
 * Throws when `steps` does not suit the schedule.
 */
export function logSnrLevels(config: NoiseScheduleConfig, steps: number, karras: boolean): LogSnrLevels {
  const table = modelSigmas(config);
  const spaced = spacedTimesteps(config, steps, { family: 'interval', defaultSpacing: DEFAULT_SPACING });
  const sigmas = karras
    ? karrasSigmas({ lowest: table[0]!, highest: table.at(-1)! }, steps)
    : spaced.map((timestep) => interpolate(table, timestep));
  return {
    timesteps: karras ? sigmas.map((sigma) => roundHalfEven(timestepOfSigma(table, sigma))) : spaced,
    levels: [...sigmas, 0].map((sigma) => level(Math.fround(sigma))),
  };
}

function level(noiseToSignal: number): Level {
  const alpha = 1 / Math.sqrt(noiseToSignal ** 2 + 1);
  return { alpha, sigma: noiseToSignal * alpha, lambda: -Math.log(noiseToSignal) };
}
