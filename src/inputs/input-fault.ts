import { KilnError } from '../domain/errors.ts';

/** A field of a request and what was sent in it; absent for the file of an upload. */
export interface InputSource {
  readonly field: string;
  readonly value?: string;
}

/** The refusal of an image. The message goes on after the name of the field: 'is a GIF; send ...'. */
export function inputFault(
  source: InputSource,
  message: string,
  options: { limit?: unknown; cause?: unknown } = {},
): KilnError {
  const { limit, cause } = options;
  const fault = { ...source, message, ...(limit === undefined ? {} : { limit }) };
  return new KilnError('invalid_request', `The ${source.field} cannot be taken: it ${message}`, {
    faults: [fault],
    cause,
  });
}
