import type { Problem } from '../src/contract/problem.ts';
import { ERRORS, type KilnError } from '../src/domain/errors.ts';
import { shorten } from '../src/domain/shorten.ts';

export const PROBLEM_TYPE = 'application/problem+json';

/** The body that tells a caller about an error: RFC 9457, with our stable code and the fields at fault. */
export function problemOf(error: KilnError, requestId: string): Problem {
  const { status, title } = ERRORS[error.code];
  return {
    type: `urn:kiln:error:${error.code}`,
    title,
    status,
    detail: error.message,
    code: error.code,
    errors: error.faults.map((fault) => ({
      field: fault.field,
      ...('value' in fault ? { value: shorten(fault.value) } : {}),
      ...('limit' in fault ? { limit: fault.limit } : {}),
      message: fault.message,
    })),
    request_id: requestId,
  };
}
