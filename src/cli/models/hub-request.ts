/**
 * One GET to a hub. Redirects are followed by hand, because the token belongs to the hub alone: its files come from
 * storage on other hosts, by links that need none.
 */
import { hubAnswerError } from './hub-answer.ts';
import { TransientError } from './retry.ts';

const SECOND = 1_000;
const MAX_REDIRECTS = 10;
/** A connection that gives no byte for so long is given up, and tried again. */
const SILENCE_MS = 60 * SECOND;

export interface HubAccess {
  /** Such as `https://huggingface.co`, without a slash at the end. */
  readonly endpoint: string;
  /** `org/name`. */
  readonly id: string;
  readonly token: string | null;
  readonly signal: AbortSignal;
}

export interface HubAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** What the hub itself says of the file's content before it sends us elsewhere; null when it does not. */
  readonly linkedEtag: string | null;
  /** The body as it arrives; its end is not a proof that all of it came. */
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Instead of reading `chunks`. */
  readonly discard: () => Promise<void>;
}

/**
 * @throws TransientError for a lost connection or a busy server, and Error with advice for a refusal; reading
 *   `chunks` throws TransientError as well
 */
export async function askHub(
  access: HubAccess,
  url: string,
  headers: Readonly<Record<string, string>>,
): Promise<HubAnswer> {
  const silence = new AbortController();
  const watch = setTimeout(
    () => silence.abort(new TransientError(`${new URL(url).host} was silent for ${SILENCE_MS / SECOND} s`)),
    SILENCE_MS,
  );
  const signal = AbortSignal.any([access.signal, silence.signal]);
  try {
    const { response, linkedEtag } = await follow({ ...access, signal }, url, headers);
    const body = response.body ?? new Blob([]).stream();
    const chunks = read(body, { watch, signal, url });
    const discard = async (): Promise<void> => {
      clearTimeout(watch);
      await body.cancel();
    };
    return { status: response.status, headers: response.headers, linkedEtag, chunks, discard };
  } catch (error) {
    clearTimeout(watch);
    throw error;
  }
}

async function follow(
  access: HubAccess,
  url: string,
  headers: Readonly<Record<string, string>>,
): Promise<{ response: Response; linkedEtag: string | null }> {
  const home = new URL(access.endpoint).origin;
  let target = new URL(url);
  let linkedEtag: string | null = null;
  for (let hop = 0; hop <= MAX_REDIRECTS; hop += 1) {
    const isHome = target.origin === home;
    const response = await send(target, {
      headers:
        isHome && access.token !== null ? { ...headers, authorization: `Bearer ${access.token}` } : headers,
      redirect: 'manual',
      signal: access.signal,
    });
    if (isHome) linkedEtag = response.headers.get('x-linked-etag') ?? linkedEtag;
    const location = response.headers.get('location');
    if (response.ok) return { response, linkedEtag };
    await response.body?.cancel();
    if (response.status >= 400 || location === null)
      throw hubAnswerError(access, { target, isHome, response });
    target = new URL(location, target);
  }
  throw new Error(`${url}: more than ${MAX_REDIRECTS} redirects`);
}

async function send(target: URL, init: RequestInit): Promise<Response> {
  try {
    return await fetch(target, init);
  } catch (error) {
    throw lost(error, target, init.signal);
  }
}

async function* read(
  body: ReadableStream<Uint8Array>,
  { watch, signal, url }: { watch: NodeJS.Timeout; signal: AbortSignal; url: string },
): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((error: unknown) => {
        throw lost(error, new URL(url), signal);
      });
      if (done) return;
      watch.refresh();
      yield value;
    }
  } finally {
    clearTimeout(watch);
    // Rejects when the connection is what failed, of which the caller already knows.
    await reader.cancel().catch(() => undefined);
  }
}

function lost(error: unknown, target: URL, signal: AbortSignal | null | undefined): unknown {
  // Of an abort its reason says more than the error that it caused: silence, or somebody's Ctrl-C.
  if (signal?.aborted === true) return signal.reason;
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new TransientError(`${target.host}: ${reason}`, { cause: error });
}
