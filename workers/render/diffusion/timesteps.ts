/**
 * Which training timesteps a run of N steps visits, highest first (Lin et al. 2023, table 2), with the roundings of
 * numpy, on which diffusers' lists depend.
 */
import type { NoiseScheduleConfig, TimestepSpacing } from './noise-schedule.ts';
import { trainTimesteps } from './noise-tables.ts';

/**
 * How a family of samplers departs from the common rule:
 * - `discrete` (DDIM, DDPM, PNDM): whole timesteps;
 * - `continuous` (Euler): the linspace spacing keeps its fractions;
 * - `interval` (DPM-Solver++, UniPC): spaces N + 1 points and leaves out the last, where no noise is left to remove.
 */
type SpacingFamily = 'discrete' | 'continuous' | 'interval';

interface TimestepRequest {
  readonly family: SpacingFamily;
  /** The spacing of the sampler's class, for a file that names none. */
  readonly defaultSpacing: TimestepSpacing;
}

/** `[N]` timesteps, descending. Throws when `steps` is not a whole number from 1 to the training timesteps. */
export function spacedTimesteps(
  config: NoiseScheduleConfig,
  steps: number,
  request: TimestepRequest,
): number[] {
  const total = trainTimesteps(config);
  if (!Number.isInteger(steps) || steps < 1 || steps > total) {
    throw new RangeError(`The number of steps is ${steps}, but must be a whole number from 1 to ${total}`);
  }
  const points = request.family === 'interval' ? steps + 1 : steps;
  switch (config.timestepSpacing ?? request.defaultSpacing) {
    case 'leading':
      return leading(total, points, config.stepsOffset ?? 0).slice(0, steps);
    case 'linspace': {
      const spaced = linspace(0, total - 1, points)
        .toReversed()
        .slice(0, steps);
      return spaced.map(request.family === 'continuous' ? Math.fround : roundHalfEven);
    }
    case 'trailing':
      return trailing(total, steps);
  }
}

/** Multiples of the whole stride, shifted by the offset; the highest timesteps stay unused. */
function leading(total: number, points: number, offset: number): number[] {
  const stride = Math.trunc(total / points);
  const highest = (points - 1) * stride + offset;
  if (highest >= total) {
    throw new RangeError(
      `Leading timesteps would start at ${highest}, but the last is ${total - 1}: ask for fewer steps`,
    );
  }
  return Array.from({ length: points }, (_, i) => (points - 1 - i) * stride + offset);
}

/** Even strides down from the last timestep. numpy's `arange` takes its stride from the first two values. */
function trailing(total: number, steps: number): number[] {
  const stride = total - total / steps - total;
  return Array.from({ length: steps }, (_, i) => roundHalfEven(total + i * stride) - 1);
}

/** numpy's `linspace`, both ends included; one point is the start. */
export function linspace(start: number, end: number, points: number): number[] {
  const stride = (end - start) / (points - 1);
  return Array.from({ length: points }, (_, i) =>
    i > 0 && i === points - 1 ? end : start + (i === 0 ? 0 : i * stride),
  );
}

/** Ties go to the even neighbour (IEEE 754), as in numpy and torch. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}
