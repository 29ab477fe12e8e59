/** What messages are signed with when the settings name nothing: made once for the farm, kept in its Redis. */
import { randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { Keys } from './keys.ts';
import { toList } from './replies.ts';
import { Script } from './script.ts';

const SECRET_BYTES = 32;
/** Both are used for so long after a rotation: time for every receiver to learn the new one. */
const OVERLAP_MS = 24 * 3_600_000;

/**
 * The secrets that are in use, newest first; makes the first one. Scores are the ends of their lives, without end for
 * the newest. KEYS 1 secrets; ARGV 1 a new secret, 2 '1' to rotate, 3 overlap in ms
 */
const useSecrets = new Script(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local newest = redis.call('ZRANGEBYSCORE', KEYS[1], '+inf', '+inf')
if ARGV[2] == '1' then
  for _, old in ipairs(newest) do redis.call('ZADD', KEYS[1], now + ARGV[3], old) end
end
if ARGV[2] == '1' or #newest == 0 then redis.call('ZADD', KEYS[1], '+inf', ARGV[1]) end
return redis.call('ZREVRANGE', KEYS[1], 0, -1)
`);

export class WebhookSecrets {
  readonly #redis: Redis;
  readonly #keys: Keys;

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** `whsec_` and base64, as receivers are given them. The first is the one to give out. */
  read(): Promise<string[]> {
    return this.#use(0);
  }

  /** From now on messages have a second signature, by a new secret; the one by the old goes a day later. */
  rotate(): Promise<string[]> {
    return this.#use(1);
  }

  async #use(rotate: 0 | 1): Promise<string[]> {
    const fresh = `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`;
    const secrets = await useSecrets.run(
      this.#redis,
      [this.#keys.webhookSecrets],
      [fresh, rotate, OVERLAP_MS],
    );
    return toList(secrets).map(String);
  }
}
