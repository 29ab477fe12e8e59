/** What every request to a foreign address has in common: the guard, one deadline, and errors that tell no addresses. */
import { Agent } from 'undici';
import { guardedConnector, type ResolveName } from './guarded-connector.ts';
import { OutboundError } from './outbound-error.ts';
import type { OutboundPolicy } from './outbound-url.ts';

export interface ExchangeOptions {
  readonly policy: OutboundPolicy;
  readonly resolve: ResolveName;
  /** For everything together: names, connection, the last byte. */
  readonly deadlineMs: number;
  /** Ends of a sentence that starts with the address. */
  readonly wording: { readonly late: string; readonly failed: string };
}

const MAX_HEADER_BYTES = 16_384;

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

/** Throws OutboundError with a reason for whatever goes wrong. */
export async function exchange<T>(
  options: ExchangeOptions,
  carryOut: (dispatcher: Agent, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { policy, resolve, deadlineMs, wording } = options;
  // Made anew for each exchange: a connection kept would have been checked long before, and for somebody else.
  const agent = new Agent({
    connect: guardedConnector(policy, resolve),
    pipelining: 0,
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: deadlineMs,
    bodyTimeout: deadlineMs,
  });
  const deadline = AbortSignal.timeout(deadlineMs);
  try {
    // undici hears the signal only once it is connected.
    return await Promise.race([carryOut(agent, deadline), expiryOf(deadline)]);
  } catch (error) {
    if (error instanceof OutboundError) throw error;
    const reason = deadline.aborted ? wording.late : (knownReason(error) ?? wording.failed);
    throw new OutboundError(reason, { cause: error });
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

function knownReason(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (/CERT|^ERR_TLS/.test(code)) return 'has no certificate that can be trusted';
  return REASONS[code];
}
