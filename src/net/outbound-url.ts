/** Where Kiln goes on behalf of a caller. What a name resolves to is decided later, when it is connected to. */
import { isIP } from 'node:net';
import { OutboundError } from './outbound-error.ts';
import { isPublicAddress } from './public-address.ts';

export interface OutboundPolicy {
  /** Plain http on port 80 as well as https on port 443. */
  readonly allowHttp: boolean;
  /** Origins that the operator vouches for, whatever their scheme, port and address. As `URL.origin` writes them. */
  readonly allowedOrigins: ReadonlySet<string>;
}

const MAX_CHARS = 2_048;
/** The URL parser drops some of these and turns others round, so what was checked would not be what was sent. */
const CONFUSING = /[\p{Cc}\s\\]/u;

/** Throws OutboundError with the rule that the URL breaks. */
export function checkedUrl(text: string, policy: OutboundPolicy): URL {
  if (text.length > MAX_CHARS) throw new OutboundError(`is longer than ${MAX_CHARS} characters`);
  if (CONFUSING.test(text)) throw new OutboundError('holds white space, a control character or a backslash');
  if (!URL.canParse(text)) throw new OutboundError('is not a URL');
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') throw new OutboundError('holds a user name or a password');
  if (!policy.allowedOrigins.has(url.origin)) checkForeign(url, policy);
  return url;
}

/**
 * The target of a redirect, under the same rules. Leaving https would show what was fetched to everybody between, so it
 * is refused even where http is allowed, unless the operator vouches for the target.
 */
export function checkedRedirect(location: string, from: URL, policy: OutboundPolicy): URL {
  if (CONFUSING.test(location) || !URL.canParse(location, from.href)) {
    throw new OutboundError('redirects to something that is not a URL');
  }
  const url = checkedUrl(new URL(location, from).href, policy);
  const leavesHttps = from.protocol === 'https:' && url.protocol !== 'https:';
  if (leavesHttps && !policy.allowedOrigins.has(url.origin)) {
    throw new OutboundError('redirects from https to http');
  }
  return url;
}

function checkForeign(url: URL, { allowHttp }: OutboundPolicy): void {
  const schemes = allowHttp ? ['https:', 'http:'] : ['https:'];
  if (!schemes.includes(url.protocol)) {
    throw new OutboundError(
      `has the scheme ${url.protocol.slice(0, -1)}; ${allowHttp ? 'http or ' : ''}https is taken`,
    );
  }
  // The parser leaves out the port that a scheme has anyway.
  if (url.port !== '') {
    throw new OutboundError(
      `has port ${url.port}; ${allowHttp ? '80 for http, ' : ''}443 for https is taken`,
    );
  }
  // The parser has turned 127.1, 0x7f000001 and circled digits into plain numbers by now.
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (isIP(host) !== 0 && !isPublicAddress(host))
    throw new OutboundError('leads to an address that is not public');
}
