/**
 * What went wrong, without what must not be seen. The SDK's errors carry the answer: that of a wrong signature repeats
 * the access key, the string to sign and the headers of the request, and a log would show all of it.
 */
export class S3Fault extends Error {
  override readonly name = 'S3Fault';
  /** S3's word, such as NoSuchKey or SlowDown, else that of the network, such as ECONNREFUSED. */
  readonly code: string;
  /** HTTP status; null when no answer came. */
  readonly status: number | null;
  readonly requestId: string | null;

  constructor(code: string, message: string, answer: { status?: number; requestId?: string } = {}) {
    super(message);
    this.code = code;
    this.status = answer.status ?? null;
    this.requestId = answer.requestId ?? null;
  }
}

const MAX_MESSAGE_CHARS = 300;
/** What only names that there is nothing: of an object, not of a bucket. */
const ABSENT: ReadonlySet<string> = new Set(['NoSuchKey', 'NotFound']);

/** `accessKeyId` is the key id of the settings, null when the SDK found its own. */
export function toFault(error: unknown, accessKeyId: string | null): S3Fault {
  if (error instanceof S3Fault) return error;
  const code = codeOf(error);
  const answer = answerOf(error);
  const said = error instanceof Error && error.message !== '' ? error.message : 'no answer came';
  const clean = accessKeyId === null ? said : said.replaceAll(accessKeyId, '[access key]');
  const status = answer.status === undefined ? '' : ` (HTTP ${answer.status})`;
  return new S3Fault(code, `${code}${status}: ${clean.slice(0, MAX_MESSAGE_CHARS)}`, answer);
}

/** There is no object under the key. A missing bucket is a fault, except to HEAD, whose answers have no body. */
export function isAbsent(error: unknown): boolean {
  return error instanceof Error && ABSENT.has(error.name);
}

/** The object is not the one that the request was about any more. */
export function isReplaced(error: unknown): boolean {
  return error instanceof Error && (error.name === 'PreconditionFailed' || statusOf(error) === 412);
}

/** The range starts behind the end, as every range of an empty object does. */
export function isBehindEnd(error: unknown): boolean {
  return error instanceof Error && (error.name === 'InvalidRange' || statusOf(error) === 416);
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'Unknown';
  // Names of the network are exact where those of its errors are only "Error" or "AggregateError".
  const isNamed = error.name !== 'Error' && error.name !== 'AggregateError';
  if (isNamed || !('code' in error) || typeof error.code !== 'string') return error.name;
  return error.code;
}

function statusOf(error: unknown): number | undefined {
  return answerOf(error).status;
}

function answerOf(error: unknown): { status?: number; requestId?: string } {
  if (!(error instanceof Error) || !('$metadata' in error)) return {};
  const { $metadata: metadata } = error;
  if (typeof metadata !== 'object' || metadata === null) return {};
  return {
    ...('httpStatusCode' in metadata && typeof metadata.httpStatusCode === 'number'
      ? { status: metadata.httpStatusCode }
      : {}),
    ...('requestId' in metadata && typeof metadata.requestId === 'string'
      ? { requestId: metadata.requestId }
      : {}),
  };
}
