/** The error catalogue: every code a caller can meet, with its HTTP status. `docs/errors.md` lists the same. */
export const ERRORS = {
  invalid_request: { status: 400, title: 'The request is not valid' },
  unauthorized: { status: 401, title: 'An API key is needed' },
  link_refused: { status: 403, title: 'The link is not valid or has expired' },
  not_found: { status: 404, title: 'There is no such thing here' },
  method_not_allowed: { status: 405, title: 'This path does not take that method' },
  request_timeout: { status: 408, title: 'The request did not arrive in time' },
  idempotency_conflict: { status: 409, title: 'The Idempotency-Key was used with another request' },
  state_conflict: { status: 409, title: 'The state it is in does not allow it' },
  payload_too_large: { status: 413, title: 'The body is too large' },
  unsupported_media_type: { status: 415, title: 'The body has a type that is not taken here' },
  rows_refused: { status: 422, title: 'The file has rows that cannot be taken' },
  unknown_model: { status: 422, title: 'No worker offers this model' },
  model_unusable: { status: 422, title: 'No worker can run this model' },
  rate_limited: { status: 429, title: 'Too many requests' },
  headers_too_large: { status: 431, title: 'The headers are too large' },
  internal: { status: 500, title: 'Kiln failed to handle the request' },
  unavailable: { status: 503, title: 'Kiln cannot keep its promise right now' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ErrorCode = keyof typeof ERRORS;

/** One thing wrong with one field of a request. */
export interface FieldFault {
  readonly field: string;
  readonly value?: unknown;
  readonly limit?: unknown;
  readonly message: string;
}

export class KilnError extends Error {
  override readonly name = 'KilnError';
  readonly code: ErrorCode;
  readonly faults: readonly FieldFault[];

  constructor(
    code: ErrorCode,
    message: string,
    options: { faults?: readonly FieldFault[]; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.faults = options.faults ?? [];
  }
}
