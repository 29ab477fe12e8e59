/** Why a job ends in `failed`: every code, and whether another run may help. */
import type { JobFailure } from './job.ts';

export const FAILURES = {
  /** The model gave NaN or infinity for this request; it would again. */
  numeric_failure: { retry: false },
  /** The model's folder cannot be used: a file is missing, damaged or of an unsupported kind. */
  model_broken: { retry: false },
  /** The request cannot be rendered by this model. */
  request_refused: { retry: false },
  /** The device could not hold one image of this size. */
  out_of_memory: { retry: true },
  /** The image could not be encoded or written to the object store. */
  store_failed: { retry: true },
  /** The render process failed in a way that has no name of its own. */
  render_failed: { retry: true },
  /** The render process died twice while this job alone was in it. */
  engine_crash: { retry: false },
} as const satisfies Record<string, { retry: boolean }>;

export type FailureCode = keyof typeof FAILURES;

export interface RenderFailure extends JobFailure {
  readonly code: FailureCode;
}
