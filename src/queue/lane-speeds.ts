/**
 * What devices measured, kept beyond the lives of the workers: an autoscaler that has sent all of them home must still
 * learn how much work waits, and a bulk is quoted before anybody runs it.
 */
import type { Redis } from 'ioredis';
import type { Keys } from './keys.ts';
import { parseJson } from './replies.ts';
import { redisTime } from './connection.ts';

/** What nobody measured for so long says nothing about the machines of today. */
const SPEED_TTL_MS = 30 * 24 * 3_600_000;

export class LaneSpeeds {
  readonly #redis: Redis;
  readonly #keys: Keys;

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** `speeds`: device time of one step of one sample, ms by engine lane. The newest word of any worker counts. */
  async note(speeds: ReadonlyMap<string, number>): Promise<void> {
    if (speeds.size === 0) return;
    const at = await redisTime(this.#redis);
    const fields = [...speeds].flatMap(([lane, ms]) => [lane, JSON.stringify({ ms, at })]);
    await this.#redis.hset(this.#keys.speeds, ...fields);
  }

  /** Those of the last thirty days, by engine lane; older ones are forgotten. */
  async read(): Promise<Map<string, number>> {
    const [texts, now] = await Promise.all([this.#redis.hgetall(this.#keys.speeds), redisTime(this.#redis)]);
    const speeds = new Map<string, number>();
    const old: string[] = [];
    for (const [lane, text] of Object.entries(texts)) {
      const speed = toSpeed(parseJson(text));
      if (speed === null || speed.at < now - SPEED_TTL_MS) old.push(lane);
      else speeds.set(lane, speed.ms);
    }
    if (old.length > 0) await this.#redis.hdel(this.#keys.speeds, ...old);
    return speeds;
  }
}

function toSpeed(value: unknown): { ms: number; at: number } | null {
  if (typeof value !== 'object' || value === null || !('ms' in value) || !('at' in value)) return null;
  const { ms, at } = value;
  return typeof ms === 'number' && typeof at === 'number' ? { ms, at } : null;
}
