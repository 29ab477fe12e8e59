/**
 * The guard at the socket. Checking a name before the connection would leave a gap: it may resolve to something else a
 * moment later. Here the addresses that were checked are the ones connected to, and the peer is looked at once more.
 */
import { lookup as systemLookup } from 'node:dns/promises';
import { isIP, type LookupFunction } from 'node:net';
import { callbackify } from 'node:util';
import { buildConnector } from 'undici';
import { OutboundError } from './outbound-error.ts';
import type { OutboundPolicy } from './outbound-url.ts';
import { isPublicAddress } from './public-address.ts';

interface ResolvedAddress {
  readonly address: string;
  readonly family: number;
}

/** All addresses of a name. Rejects when it has none. */
export type ResolveName = (name: string) => Promise<readonly ResolvedAddress[]>;

const CONNECT_MS = 5_000;

export const resolveBySystem: ResolveName = (name) => systemLookup(name, { all: true });

/** A connector for undici. One private address among those of a name refuses the name. */
export function guardedConnector(policy: OutboundPolicy, resolve: ResolveName): buildConnector.connector {
  const settings = { timeout: CONNECT_MS, autoSelectFamily: true };
  const free = buildConnector({ ...settings, lookup: lookupBy(resolve, () => true) });
  const guarded = buildConnector({ ...settings, lookup: lookupBy(resolve, isPublicAddress) });
  return (options, callback) => {
    if (policy.allowedOrigins.has(`${options.protocol}//${options.host ?? options.hostname}`)) {
      free(options, callback);
      return;
    }
    // Nobody looks an address up, so nobody else would check it.
    if (isIP(options.hostname) !== 0 && !isPublicAddress(options.hostname)) {
      callback(notPublic(), null);
      return;
    }
    guarded(options, (...outcome) => {
      // The socket is told by the absence of an error: with one undici leaves it out, whatever its types say.
      if (outcome[0] !== null || isPublicAddress(outcome[1].remoteAddress ?? '')) {
        callback(...outcome);
        return;
      }
      outcome[1].destroy();
      callback(notPublic(), null);
    });
  };
}

/** As `net.connect` wants it when it tries families in turn: it takes the whole list. */
function lookupBy(resolve: ResolveName, isAllowed: (address: string) => boolean): LookupFunction {
  return callbackify(async (name: string, _options: unknown) => {
    const found = await resolve(name);
    if (found.length === 0) throw new OutboundError('has a host without an address');
    if (!found.every(({ address }) => isAllowed(address))) throw notPublic();
    return [...found];
  });
}

/** Says no address: what a private name resolves to is nobody's business. */
function notPublic(): OutboundError {
  return new OutboundError('leads to an address that is not public');
}
