/** Sends bytes to an address that a caller named, and reads no more of the answer than a log wants. */
import { request, type Dispatcher } from 'undici';
import { resolveBySystem, type ResolveName } from './guarded-connector.ts';
import { exchange } from './outbound-exchange.ts';
import { checkedUrl, type OutboundPolicy } from './outbound-url.ts';

export interface PostOptions {
  readonly policy: OutboundPolicy;
  readonly deadlineMs: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly resolve?: ResolveName;
}

export interface PostAnswer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  /** The first bytes of the body, as text. */
  readonly start: string;
}

const SHOWN_BYTES = 512;
/** The status has settled it by then; the bytes are only for a person to read. */
const SHOWN_WITHIN_MS = 1_000;

/** Any answer is one: redirects are not followed. Throws OutboundError when there is none within the deadline. */
export async function guardedPost(
  address: string,
  body: Uint8Array,
  options: PostOptions,
): Promise<PostAnswer> {
  const { policy, deadlineMs, headers, resolve = resolveBySystem } = options;
  const wording = {
    late: `did not answer within ${deadlineMs / 1_000} s`,
    failed: 'broke off without an answer',
  };
  let answered: PostAnswer | undefined;
  try {
    return await exchange({ policy, resolve, deadlineMs, wording }, async (dispatcher, signal) => {
      const answer = await request(checkedUrl(address, policy), {
        method: 'POST',
        dispatcher,
        signal,
        body,
        headers: { ...headers, 'accept-encoding': 'identity', 'user-agent': 'Kiln' },
      });
      const retryAfter = answer.headers['retry-after'];
      answered = {
        status: answer.statusCode,
        retryAfter: typeof retryAfter === 'string' ? retryAfter : undefined,
        start: '',
      };
      return { ...answered, start: await startOf(answer.body) };
    });
  } catch (error) {
    // The deadline came while the body did: the status stands.
    if (answered !== undefined) return answered;
    throw error;
  }
}

/** What comes of a body in a moment; one that drips, breaks off or never ends changes nothing about the answer. */
async function startOf(body: Dispatcher.ResponseData['body']): Promise<string> {
  body.on('error', () => undefined);
  const cut = setTimeout(() => body.destroy(), SHOWN_WITHIN_MS);
  const chunks: Uint8Array[] = [];
  let length = 0;
  body.on('data', (chunk: unknown) => {
    if (!(chunk instanceof Uint8Array)) return;
    chunks.push(chunk);
    length += chunk.length;
    if (length >= SHOWN_BYTES) body.destroy();
  });
  await new Promise((resolve) => body.once('close', resolve));
  clearTimeout(cut);
  // U+FFFD for what is no text, so that the log stays text.
  const start = Buffer.concat(chunks).subarray(0, SHOWN_BYTES);
  return start.toString('utf8').replaceAll('\0', '\uFFFD');
}
