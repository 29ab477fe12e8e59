import { KilnError } from '../domain/errors.ts';

interface Place {
  /** Counted from 1. */
  readonly line?: number;
  readonly value?: unknown;
  readonly limit?: unknown;
  readonly cause?: unknown;
}

/** The refusal of a whole file. The message goes on after 'The file': 'is a PDF; send ...'. */
export function fileFault(message: string, { line, value, limit, cause }: Place = {}): KilnError {
  const where = line === undefined ? '' : ` (line ${line})`;
  const fault = {
    field: 'file',
    ...(value === undefined ? {} : { value }),
    ...(limit === undefined ? {} : { limit }),
    message: `${message}${where}`,
  };
  return new KilnError('invalid_request', `The file ${message}${where}`, { faults: [fault], cause });
}
