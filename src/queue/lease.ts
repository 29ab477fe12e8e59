import type { Redis } from 'ioredis';
import type { Keys } from './keys.ts';
import { Script } from './script.ts';

/** Takes the lease or keeps it; 1 when the caller holds it. KEYS 1 lease; ARGV 1 holder, 2 life in ms. */
const take = new Script(`
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
`);

/** Gives the lease up, if it is the caller's. KEYS 1 lease; ARGV 1 holder. */
const drop = new Script(`
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
`);

/**
 * Lets one process of many do a task that needs doing once. It saves work and proves nothing: a holder can be frozen
 * past the end of its lease, so the task must be harmless when two do it.
 */
export class Lease {
  readonly #redis: Redis;
  readonly #key: string;
  readonly #holder: string;
  readonly #ttlMs: number;

  constructor(redis: Redis, keys: Keys, options: { name: string; holder: string; ttlMs: number }) {
    this.#redis = redis;
    this.#key = keys.lease(options.name);
    this.#holder = options.holder;
    this.#ttlMs = Math.ceil(options.ttlMs);
  }

  /** True when the caller holds it for the next `ttlMs`. */
  async take(): Promise<boolean> {
    return (await take.run(this.#redis, [this.#key], [this.#holder, this.#ttlMs])) === 1;
  }

  async drop(): Promise<void> {
    await drop.run(this.#redis, [this.#key], [this.#holder]);
  }
}
