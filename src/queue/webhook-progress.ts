/** Running jobs whose progress is told: the records say how far they are, and somebody looks every few seconds. */
import type { Redis } from 'ioredis';
import type { JobRef } from '../domain/job.ts';
import type { Keys } from './keys.ts';
import { parseJson, toList } from './replies.ts';
import { Script } from './script.ts';

/**
 * Takes jobs whose look is due, and puts their next one off, so that of many couriers one looks.
 * KEYS 1 watched; ARGV 1 ms between two looks, 2 how many
 */
const takeDue = new Script(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[2])
for _, job in ipairs(due) do redis.call('ZADD', KEYS[1], now + ARGV[1], job) end
return due
`);

/** KEYS 1 watched; ARGV 1 job, 2 ms until its first look */
const add = new Script(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], 'NX', now + ARGV[2], ARGV[1])
`);

export class ProgressWatch {
  readonly #redis: Redis;
  readonly #key: string;
  readonly #everyMs: number;

  constructor(redis: Redis, keys: Keys, options: { readonly everyMs: number }) {
    this.#redis = redis;
    this.#key = keys.webhookProgress;
    this.#everyMs = options.everyMs;
  }

  async add(ref: JobRef): Promise<void> {
    await add.run(this.#redis, [this.#key], [nameOf(ref), this.#everyMs]);
  }

  async takeDue(limit: number): Promise<JobRef[]> {
    return toList(await takeDue.run(this.#redis, [this.#key], [this.#everyMs, limit])).map(toRef);
  }

  async forget(refs: readonly JobRef[]): Promise<void> {
    if (refs.length > 0) await this.#redis.zrem(this.#key, ...refs.map(nameOf));
  }
}

function nameOf({ tenant, id }: JobRef): string {
  return JSON.stringify([tenant, id]);
}

function toRef(name: unknown): JobRef {
  const [tenant, id] = toList(parseJson(String(name)));
  return { tenant: String(tenant), id: String(id) };
}
