/** How far an image that is given keeps the first steps from being walked (SDEdit, Meng et al. 2022). */
import type { Run } from './sampler.ts';

/** Digits of the least strength that an error names, rounded up. */
const STRENGTH_UNITS = 10_000;

/**
 * How many of the first steps are left out: none at strength 1, which starts from pure noise. As in diffusers the
 * product is cut, not rounded: 0.58 of 50 steps are 28, for 50 * 0.58 is a little less than 29 in double precision.
 * Expects steps that suit the schedule. Throws when the strength is not within 0..1 or leaves no step to walk.
 */
export function skippedSteps({ steps, strength }: Run): number {
  if (!(strength >= 0 && strength <= 1)) {
    throw new RangeError(`The strength is ${strength}, but must be a number from 0 to 1`);
  }
  const walked = Math.trunc(steps * strength);
  if (walked >= 1) return steps - walked;
  const least = Math.ceil(STRENGTH_UNITS / steps) / STRENGTH_UNITS;
  throw new RangeError(
    `A strength of ${strength} leaves none of ${steps} steps to walk: it must be at least ${least}`,
  );
}
