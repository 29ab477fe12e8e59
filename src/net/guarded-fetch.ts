/** Fetches what a caller names, within limits on where, how much and how long. */
import { Agent, request, type Dispatcher } from 'undici';
import { guardedConnector, resolveBySystem, type ResolveName } from './guarded-connector.ts';
import { OutboundError } from './outbound-error.ts';
import { checkedRedirect, checkedUrl, type OutboundPolicy } from './outbound-url.ts';

export interface FetchLimits {
  readonly bytes: number;
  /** For everything together: names, redirects, the last byte. */
  readonly deadlineMs: number;
}

export interface FetchOptions {
  readonly policy: OutboundPolicy;
  readonly limits: FetchLimits;
  readonly resolve?: ResolveName;
}

const MAX_REDIRECTS = 3;
const MAX_HEADER_BYTES = 16_384;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** What went wrong, by the code of the error; a message of its own would tell addresses. */
const REASONS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'has a host that nobody knows',
  EAI_AGAIN: 'has a host that nobody knows right now',
  ECONNREFUSED: 'does not take connections',
  UND_ERR_CONNECT_TIMEOUT: 'does not take connections',
  UND_ERR_HEADERS_OVERFLOW: `answers with more than ${MAX_HEADER_BYTES} bytes of headers`,
  UND_ERR_HEADERS_TIMEOUT: 'does not answer',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'sends another number of bytes than it says',
};

type Answer = Dispatcher.ResponseData;

/** Throws OutboundError when the address is refused, or gives anything but a whole answer within the limits. */
export async function guardedFetch(address: string, options: FetchOptions): Promise<Uint8Array> {
  const { policy, limits, resolve = resolveBySystem } = options;
  const url = checkedUrl(address, policy);
  // Made anew for each fetch: a connection kept would have been checked long before, and for somebody else.
  const agent = new Agent({
    connect: guardedConnector(policy, resolve),
    pipelining: 0,
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: limits.deadlineMs,
    bodyTimeout: limits.deadlineMs,
  });
  const deadline = AbortSignal.timeout(limits.deadlineMs);
  try {
    const fetched = follow(url, policy, (to) => ask(to, agent, deadline)).then((answer) =>
      readBody(answer, limits.bytes),
    );
    // undici hears the signal only once it is connected.
    return await Promise.race([fetched, expiryOf(deadline)]);
  } catch (error) {
    if (error instanceof OutboundError) throw error;
    throw new OutboundError(reasonOf(error, deadline, limits), { cause: error });
  } finally {
    // Not waited for: a name that never resolves would hold it up until the limit of the connector.
    void agent.destroy();
  }
}

function expiryOf(deadline: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    deadline.addEventListener('abort', () => reject(new Error('the deadline has passed')), { once: true });
  });
}

async function follow(
  start: URL,
  policy: OutboundPolicy,
  send: (url: URL) => Promise<Answer>,
): Promise<Answer> {
  let url = start;
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    const answer = await send(url);
    const { location } = answer.headers;
    if (!REDIRECTS.has(answer.statusCode) || typeof location !== 'string') return answer;
    url = checkedRedirect(location, url, policy);
  }
  throw new OutboundError(`redirects more than ${MAX_REDIRECTS} times`);
}

async function ask(url: URL, dispatcher: Agent, signal: AbortSignal): Promise<Answer> {
  const answer = await request(url, {
    dispatcher,
    signal,
    // Compressed bytes say nothing about how many they will be.
    headers: { 'accept-encoding': 'identity', accept: '*/*', 'user-agent': 'Kiln' },
  });
  // A body that nobody reads is cut off with its connection.
  answer.body.on('error', () => undefined);
  return answer;
}

async function readBody({ statusCode, headers, body }: Answer, limit: number): Promise<Uint8Array> {
  if (statusCode !== 200) throw new OutboundError(`answers with status ${statusCode}`);
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') throw new OutboundError('answers in a compressed form that was not asked for');
  const tooLong = new OutboundError(`has more than ${limit} bytes`);
  if (Number(headers['content-length'] ?? 0) > limit) throw tooLong;
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    if (!(chunk instanceof Uint8Array)) throw new TypeError('a body gives bytes');
    length += chunk.length;
    if (length > limit) throw tooLong;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}

function reasonOf(error: unknown, deadline: AbortSignal, { deadlineMs }: FetchLimits): string {
  if (deadline.aborted) return `did not give all of its bytes within ${deadlineMs / 1_000} s`;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (/^CERT_|CERT|^ERR_TLS/.test(code)) return 'has no certificate that can be trusted';
  return REASONS[code] ?? 'could not be fetched';
}
