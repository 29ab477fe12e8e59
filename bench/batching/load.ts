/** A mixed load: requests of different lengths that arrive whenever they like (a Poisson process). */
import { Random } from '../../test/support/random.ts';

export interface Request {
  readonly id: string;
  readonly arrivedAtMs: number;
  readonly steps: number;
}

export interface LoadShape {
  readonly seed: number;
  readonly requests: number;
  readonly meanGapMs: number;
  readonly minSteps: number;
  readonly maxSteps: number;
}

/** In order of arrival; the same shape gives the same load. */
export function poissonLoad(shape: LoadShape): Request[] {
  const random = new Random(shape.seed);
  let arrivedAtMs = 0;
  return Array.from({ length: shape.requests }, (_, index) => {
    arrivedAtMs += random.exponential(shape.meanGapMs);
    return { id: `r${index}`, arrivedAtMs, steps: random.int(shape.minSteps, shape.maxSteps) };
  });
}
