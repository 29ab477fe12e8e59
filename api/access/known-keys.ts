/**
 * Whose key is it? Those of KILN_API_KEYS are known from the start; those that Kiln made are read from Redis again when
 * the last look is two seconds old, so a key that was revoked is refused within five, at every API. One that is not
 * known is looked for at once, but not by every guess anew.
 */
import { timingSafeEqual } from 'node:crypto';
import { apiKeyId, digestOfKey } from '../../src/api-key.ts';
import { DEFAULT_TENANT } from '../../src/domain/job.ts';
import type { ApiKeyRecord, ApiKeyRecords } from '../../src/queue/api-keys.ts';

/** How old a look may be: when Redis answers, and when it does not. Beyond that nobody knows whether a key stands. */
const FOR_THE_KNOWN = { freshMs: 2_000, staleMs: 5_000 };
const FOR_STRANGERS = { freshMs: 100, staleMs: 100 };

/** Who calls. */
export interface Caller {
  /** Names the key in logs and limits, without giving it away. */
  readonly key: string;
  readonly tenant: string;
}

export interface KnownKeysParts {
  readonly configured: readonly string[];
  readonly records: Pick<ApiKeyRecords, 'list' | 'now'>;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
}

interface Look {
  readonly at: number;
  readonly redisNow: number;
  readonly records: ReadonlyMap<string, ApiKeyRecord>;
}

export class KnownKeys {
  readonly #parts: KnownKeysParts;
  readonly #configured: readonly Buffer[];
  #look: Look | undefined;
  #looking: Promise<Look> | undefined;

  constructor(parts: KnownKeysParts) {
    this.#parts = parts;
    // Digests have one length, so comparing them tells nothing about the key, not even how long it is.
    this.#configured = parts.configured.map(digestOfKey);
  }

  /** Undefined for a key that is not known, not any more, or no longer valid. Rejects when Redis must be asked and does not answer. */
  async callerOf(key: string): Promise<Caller | undefined> {
    const digest = digestOfKey(key);
    const place = this.#configured.map((known) => timingSafeEqual(known, digest)).indexOf(true);
    if (place >= 0) return { key: `configured-${place + 1}`, tenant: DEFAULT_TENANT };
    const id = apiKeyId(key);
    if (id === undefined) return undefined;
    let look = await this.#newest(FOR_THE_KNOWN);
    if (!look.records.has(id)) look = await this.#newest(FOR_STRANGERS);
    const record = look.records.get(id);
    // Compared even when there is no such key, so that the time does not tell which ids there are.
    const isRight = timingSafeEqual(Buffer.from(record?.sha256 ?? '0'.repeat(64), 'hex'), digest);
    if (record === undefined || !isRight || isExpired(record, this.#redisNow(look))) return undefined;
    return { key: id, tenant: record.tenant };
  }

  async #newest({ freshMs, staleMs }: typeof FOR_STRANGERS): Promise<Look> {
    const look = this.#look;
    if (look !== undefined && this.#parts.now() - look.at < freshMs) return look;
    this.#looking ??= this.#read().finally(() => {
      this.#looking = undefined;
    });
    try {
      return await this.#looking;
    } catch (error) {
      if (look !== undefined && this.#parts.now() - look.at < staleMs) return look;
      throw error;
    }
  }

  async #read(): Promise<Look> {
    const at = this.#parts.now();
    const [records, redisNow] = await Promise.all([this.#parts.records.list(), this.#parts.records.now()]);
    const look = { at, redisNow, records: new Map(records.map((record) => [record.id, record])) };
    this.#look = look;
    return look;
  }

  #redisNow(look: Look): number {
    return look.redisNow + this.#parts.now() - look.at;
  }
}

function isExpired({ expiresAt }: ApiKeyRecord, now: number): boolean {
  return expiresAt !== null && expiresAt <= now;
}
