/** Standard Webhooks 1.0, symmetric: HMAC-SHA256 over `id.timestamp.body`, one signature for each secret in use. */
import { createHmac } from 'node:crypto';

const PREFIX = 'whsec_';
const MIN_SECRET_BYTES = 24;
const MAX_SECRET_BYTES = 64;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/** Why a text is no secret; undefined when it is one. Says nothing of its content. */
export function secretFault(secret: string): string | undefined {
  const encoded = secret.slice(PREFIX.length);
  if (!secret.startsWith(PREFIX) || !BASE64.test(encoded)) return `is not ${PREFIX} and base64`;
  const bytes = Buffer.from(encoded, 'base64').length;
  if (bytes >= MIN_SECRET_BYTES && bytes <= MAX_SECRET_BYTES) return undefined;
  return `stands for ${bytes} bytes; ${MIN_SECRET_BYTES} to ${MAX_SECRET_BYTES} are taken`;
}

/** The three headers of one attempt. `at` is its time, ms since the epoch: receivers refuse what is too old. */
export function signedHeaders(
  id: string,
  at: number,
  body: Uint8Array,
  secrets: readonly string[],
): Record<string, string> {
  const timestamp = String(Math.floor(at / 1_000));
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': secrets.map((secret) => signature(secret, `${id}.${timestamp}.`, body)).join(' '),
  };
}

function signature(secret: string, start: string, body: Uint8Array): string {
  const key = Buffer.from(secret.slice(PREFIX.length), 'base64');
  return `v1,${createHmac('sha256', key).update(start).update(body).digest('base64')}`;
}
