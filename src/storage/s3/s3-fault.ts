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

  constructor(code: string, message: string, answer: Answer & { cause?: unknown } = {}) {
    super(message, answer.cause === undefined ? {} : { cause: answer.cause });
    this.code = code;
    this.status = answer.status ?? null;
    this.requestId = answer.requestId ?? null;
  }
}

interface Answer {
  readonly status?: number;
  readonly requestId?: string;
}

const MAX_MESSAGE_CHARS = 300;
/** What only names that there is nothing: of an object, not of a bucket. */
const ABSENT: ReadonlySet<string> = new Set(['NoSuchKey', 'NotFound']);

/** `accessKeyId` is the key id of the settings, null when the SDK found its own. */
export function toFault(error: unknown, accessKeyId: string | null): S3Fault {
  if (error instanceof S3Fault) return error;
  const answer = answerOf(error);
  const said = error instanceof Error && error.message !== '' ? error.message : 'no answer came';
  const clean = (accessKeyId === null ? said : said.replaceAll(accessKeyId, '[access key]')).slice(
    0,
    MAX_MESSAGE_CHARS,
  );
  const network = networkCodeOf(error);
  if (answer.status === undefined && network !== undefined)
    // A job's failure is shown to its caller, and where the server stands is only for the log.
    return new S3Fault(network, `${network}: no answer came`, { cause: new Error(clean) });
  const name = error instanceof Error ? error.name : 'Unknown';
  const status = answer.status === undefined ? '' : ` (HTTP ${answer.status})`;
  return new S3Fault(name, `${name}${status}: ${clean}`, answer);
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

/** Such as ECONNREFUSED; the SDK keeps it, whatever name it gives the error. */
function networkCodeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

function statusOf(error: unknown): number | undefined {
  return answerOf(error).status;
}

function answerOf(error: unknown): Answer {
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
