import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Public by its number, private by its use: the host of an Azure machine, which hands out its secrets. */
const DENIED = new Set(['168.63.129.16']);
/** All of IPv6 that is given out as global unicast (RFC 4291, section 2.4). */
const GLOBAL_UNICAST = ipaddr.IPv6.parse('2000::');
const GLOBAL_UNICAST_BITS = 3;

/**
 * True of an address that anybody on the internet may be sent to: neither private, nor local, nor one of the special
 * ranges that lead to such in another notation (IPv4 in IPv6, 6to4, NAT64). Anything but a plain address is not.
 */
export function isPublicAddress(address: string): boolean {
  if (isIP(address) === 0) return false;
  const known = ipaddr.process(address);
  if (known.range() !== 'unicast' || DENIED.has(known.toString())) return false;
  // ipaddr.js calls all unicast that has no name, such as the deprecated ::127.0.0.1.
  return !(known instanceof ipaddr.IPv6) || known.match(GLOBAL_UNICAST, GLOBAL_UNICAST_BITS);
}
