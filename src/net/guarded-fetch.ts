/** Fetches what a caller names, within limits on where, how much and how long. */
import { request, type Agent, type Dispatcher } from 'undici';
import { resolveBySystem, type ResolveName } from './guarded-connector.ts';
import { OutboundError } from './outbound-error.ts';
import { exchange } from './outbound-exchange.ts';
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
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

type Answer = Dispatcher.ResponseData;

/** Throws OutboundError when the address is refused, or gives anything but a whole answer within the limits. */
export function guardedFetch(address: string, options: FetchOptions): Promise<Uint8Array> {
  const { policy, limits, resolve = resolveBySystem } = options;
  const wording = {
    late: `did not give all of its bytes within ${limits.deadlineMs / 1_000} s`,
    failed: 'could not be fetched',
  };
  return exchange({ policy, resolve, deadlineMs: limits.deadlineMs, wording }, async (agent, signal) =>
    readBody(await follow(checkedUrl(address, policy), policy, (to) => ask(to, agent, signal)), limits.bytes),
  );
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
