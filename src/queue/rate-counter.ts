import type { Redis } from 'ioredis';
import type { Keys } from './keys.ts';
import { toList } from './replies.ts';
import { Script } from './script.ts';

/** KEYS 1 the counter; ARGV 1 length of a window in ms. Answers the count and what is left of the window in ms. */
const COUNT = new Script(`
local count = redis.call('INCR', KEYS[1])
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  left = tonumber(ARGV[1])
end
return { count, left }
`);

/** Requests of a caller over all API processes, in windows that begin with its first request. */
export class RateCounter {
  readonly #redis: Redis;
  readonly #keys: Keys;

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** Counts one request. `caller` must be short and of a bounded alphabet, as it becomes part of a key. */
  async count(caller: string, windowMs: number): Promise<{ current: number; ttl: number }> {
    const [current, ttl] = toList(await COUNT.run(this.#redis, [this.#keys.rate(caller)], [windowMs]));
    return { current: Number(current), ttl: Number(ttl) };
  }
}
