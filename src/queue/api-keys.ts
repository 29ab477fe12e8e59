/** The keys that callers were given, hashed: whoever reads Redis learns who may call, but cannot. */
import type { Redis } from 'ioredis';
import { Type, type Static } from 'typebox';
import { Compile } from 'typebox/compile';
import { redisTime } from './connection.ts';
import type { Keys } from './keys.ts';
import { parseJson } from './replies.ts';

const Stored = Type.Object({
  /** Of the whole key, in hexadecimal digits. */
  sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  tenant: Type.String(),
  /** What its owner is called, for people. */
  name: Type.String(),
  createdAt: Type.Number(),
  /** Null: it does not end by itself. */
  expiresAt: Type.Union([Type.Number(), Type.Null()]),
});
const stored = Compile(Stored);

export interface ApiKeyRecord extends Readonly<Static<typeof Stored>> {
  readonly id: string;
}

export interface ApiKeyFacts {
  readonly id: string;
  readonly sha256: string;
  readonly tenant: string;
  readonly name: string;
  /** Null: for ever. */
  readonly lifeMs: number | null;
}

export class ApiKeyRecords {
  readonly #redis: Redis;
  readonly #keys: Keys;

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  async add({ id, sha256, tenant, name, lifeMs }: ApiKeyFacts): Promise<ApiKeyRecord> {
    const createdAt = await redisTime(this.#redis);
    const expiresAt = lifeMs === null ? null : createdAt + lifeMs;
    const record = { sha256, tenant, name, createdAt, expiresAt };
    await this.#redis.hset(this.#keys.apiKeys, id, JSON.stringify(record));
    return { id, ...record };
  }

  /** Oldest first, the expired ones included. */
  async list(): Promise<ApiKeyRecord[]> {
    const texts = Object.entries(await this.#redis.hgetall(this.#keys.apiKeys));
    return texts.map(([id, text]) => toRecord(id, text)).toSorted((a, b) => a.createdAt - b.createdAt);
  }

  /** False when there is no such key. */
  async revoke(id: string): Promise<boolean> {
    return (await this.#redis.hdel(this.#keys.apiKeys, id)) === 1;
  }

  /** The clock that expiries are held against. */
  now(): Promise<number> {
    return redisTime(this.#redis);
  }
}

function toRecord(id: string, text: string): ApiKeyRecord {
  const value = parseJson(text);
  if (!stored.Check(value)) throw new Error(`the record of API key ${id} is damaged`);
  return { id, ...value };
}
