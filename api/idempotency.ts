import { createHash } from 'node:crypto';
import { KilnError } from '../src/domain/errors.ts';
import { LIMITS } from '../src/domain/limits.ts';

const VISIBLE_ASCII = /^[\x21-\x7e]+$/;

/** Checks an `Idempotency-Key` header; throws `invalid_request`. */
export function checkedKey(key: string): string {
  if (key.length <= LIMITS.idempotencyKeyChars && VISIBLE_ASCII.test(key)) return key;
  const limit = LIMITS.idempotencyKeyChars;
  const message = `must be 1 to ${limit} visible ASCII characters`;
  const faults = [{ field: 'Idempotency-Key', value: key, limit, message }];
  throw new KilnError('invalid_request', `The Idempotency-Key ${message}`, { faults });
}

/** SHA-256 over the request's meaning: neither the order of its fields nor its white space matters. */
export function requestHash(request: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(sorted(request)))
    .digest('hex');
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  // A list of pairs, not an object: objects put keys that look like numbers first, whatever the order given.
  return Object.entries(value)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, entry]) => [key, sorted(entry)]);
}
