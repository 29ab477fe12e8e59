/** Who calls: `Authorization: Bearer <key>` on every route of the instance it is given. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { KilnError } from '../../src/domain/errors.ts';
import type { App } from '../parts.ts';

const BEARER = /^Bearer +(\S+)$/i;

export function requireKey(app: App, keys: readonly string[]): void {
  // Digests have one length, so comparing them tells nothing about the key, not even how long it is.
  const digests = keys.map(digestOf);
  app.addHook('onRequest', (request, reply, done) => {
    const [, key] = BEARER.exec(request.headers.authorization ?? '') ?? [];
    if (key !== undefined && isKnown(digestOf(key), digests)) {
      done();
      return;
    }
    reply.header('www-authenticate', 'Bearer realm="kiln"');
    const message = key === undefined ? 'Send Authorization: Bearer <key>' : 'This API key is not known here';
    done(new KilnError('unauthorized', message));
  });
}

/** Looks at every digest, so the time does not tell which one matched. */
function isKnown(digest: Buffer, digests: readonly Buffer[]): boolean {
  return digests.map((known) => timingSafeEqual(known, digest)).includes(true);
}

function digestOf(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}
