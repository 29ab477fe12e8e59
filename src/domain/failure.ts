/** Why a job ends in `failed`: every code, and whether another run may help. `docs/errors.md` lists the same. */
import type { JobFailure } from './job.ts';

export const FAILURE_CODES = [
  'numeric_failure',
  'model_broken',
  'request_refused',
  'input_missing',
  'input_refused',
  'out_of_memory',
  'store_failed',
  'render_failed',
  'engine_crash',
] as const;
export type FailureCode = (typeof FAILURE_CODES)[number];

export interface RenderFailure extends JobFailure {
  readonly code: FailureCode;
}

const MAY_PASS: Readonly<Record<FailureCode, boolean>> = {
  /** The model gave NaN or infinity for this request; it would again. */
  numeric_failure: false,
  /** The model's folder cannot be used: a file is missing, damaged or of an unsupported kind. */
  model_broken: false,
  /** The model cannot render such a request, for example at this size. */
  request_refused: false,
  /** An input image of the job is no longer in the object store. */
  input_missing: false,
  /** An image that the row of a bulk names cannot be fetched, or is none that Kiln takes. */
  input_refused: false,
  /** The device could not hold one image of this size: others may have filled it. */
  out_of_memory: true,
  /** An image could not be written to the object store, or an input not read from it. */
  store_failed: true,
  /** The engine failed in a way that has no name of its own. */
  render_failed: true,
  /** The engine died twice while this job alone was aboard. */
  engine_crash: false,
};

/** True when the same request may succeed later. */
export function isTransient(code: FailureCode): boolean {
  return MAY_PASS[code];
}
