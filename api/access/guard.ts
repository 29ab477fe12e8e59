/** Who calls, how often, and whether they may: before anything else of a request is looked at. */
import { KilnError } from '../../src/domain/errors.ts';
import type { App } from '../parts.ts';
import type { Caller, KnownKeys } from './known-keys.ts';
import type { Limiter } from './rate-limit.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Names the key of the request; null without one. */
    caller: string | null;
  }
}

const BEARER = /^Bearer +(\S+)$/i;

export interface GuardOptions {
  /** Null: nobody is asked for a key. */
  readonly known: KnownKeys | null;
  readonly limit: Limiter;
}

/** `Authorization: Bearer <key>` on every route of the instance it is given, when keys are asked for. */
export function guard(app: App, { known, limit }: GuardOptions): void {
  app.addHook('onRequest', async (request, reply) => {
    const [, key] = BEARER.exec(request.headers.authorization ?? '') ?? [];
    const caller = key === undefined ? undefined : await known?.callerOf(key);
    enter(request, caller);
    // Guesses count, too: those of one address.
    await limit(request, reply);
    if (known === null || caller !== undefined) return;
    reply.header('www-authenticate', 'Bearer realm="kiln"');
    const message = key === undefined ? 'Send Authorization: Bearer <key>' : 'This API key is not known here';
    throw new KilnError('unauthorized', message);
  });
}

function enter(request: { caller: string | null; tenant: string }, caller: Caller | undefined): void {
  if (caller === undefined) return;
  request.caller = caller.key;
  request.tenant = caller.tenant;
}
