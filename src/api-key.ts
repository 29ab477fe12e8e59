/**
 * Keys that Kiln makes: `kiln_<id>_<secret><checksum>`, 12, 64 and 8 hexadecimal digits. The id names the key in lists
 * and logs; the secret is 32 random bytes, known to its owner alone; the checksum is the CRC-32 of all before it, so
 * that a scanner of leaked secrets is sure without asking anybody.
 */
import { createHash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

const ID_BYTES = 6;
const SECRET_BYTES = 32;
const FORM = /^kiln_([0-9a-f]{12})_[0-9a-f]{72}$/;
const CHECKSUM_DIGITS = 8;

export interface NewApiKey {
  readonly id: string;
  /** Shown once, kept nowhere. */
  readonly key: string;
}

export function newApiKey(): NewApiKey {
  const id = randomBytes(ID_BYTES).toString('hex');
  const start = `kiln_${id}_${randomBytes(SECRET_BYTES).toString('hex')}`;
  return { id, key: `${start}${checksumOf(start)}` };
}

/** The id of a key that Kiln may have made; undefined for anything else. */
export function apiKeyId(key: string): string | undefined {
  const [, id] = FORM.exec(key) ?? [];
  const isWhole = checksumOf(key.slice(0, -CHECKSUM_DIGITS)) === key.slice(-CHECKSUM_DIGITS);
  return isWhole ? id : undefined;
}

/** What is kept of a key. With so much chance in it, a slow hash would add nothing. */
export function digestOfKey(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

function checksumOf(text: string): string {
  return crc32(text).toString(16).padStart(CHECKSUM_DIGITS, '0');
}
