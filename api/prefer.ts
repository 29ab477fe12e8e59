import { LIMITS } from '../src/domain/limits.ts';

const WAIT = /^wait(?:\s*=\s*"?(\d{1,9})"?)?$/i;

/**
 * Seconds to wait by a `Prefer` header (RFC 7240), at most the server's limit; 0 when it asks for none. A server must
 * ignore preferences it does not know, so nothing in here is an error. A bare `wait` asks for as long as possible.
 */
export function preferredWait(header: string | string[] | undefined): number {
  const preferences = [header ?? []].flat().flatMap((line) => line.split(','));
  for (const preference of preferences) {
    const match = WAIT.exec((preference.split(';', 1)[0] ?? '').trim());
    if (match !== null) return Math.min(Number(match[1] ?? LIMITS.waitSecondsMax), LIMITS.waitSecondsMax);
  }
  return 0;
}
