import { KilnError } from '../src/domain/errors.ts';

const TOO_MANY: ReadonlySet<unknown> = new Set(['FST_FILES_LIMIT', 'FST_PARTS_LIMIT', 'FST_FIELDS_LIMIT']);

/** What is wrong with a form that could not be read: the parser tells some faults of the sender as the server's. */
export function formFault(
  error: unknown,
  tooMany: string,
  tooLarge: (cause: unknown) => KilnError,
): KilnError {
  if (error instanceof KilnError) return error;
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'FST_REQ_FILE_TOO_LARGE') return tooLarge(error);
  const message = TOO_MANY.has(code) ? tooMany : 'The multipart body is broken or not complete';
  return new KilnError('invalid_request', message, { cause: error });
}
