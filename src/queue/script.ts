import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';

/**
 * One Lua script: sent by its hash, and in full when the server does not know it (a new or restarted server).
 * Redis runs a script whole or not at all, which is what makes a transition atomic.
 */
export class Script {
  readonly #lua: string;
  readonly #sha: string;

  constructor(...parts: string[]) {
    this.#lua = parts.join('\n');
    this.#sha = createHash('sha1').update(this.#lua).digest('hex');
  }

  async run(redis: Redis, keys: string[], args: (string | number)[]): Promise<unknown> {
    try {
      return await redis.evalsha(this.#sha, keys.length, ...keys, ...args);
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
      return redis.eval(this.#lua, keys.length, ...keys, ...args);
    }
  }
}
