/** Making deliveries, looking at them, asking for them again. Sending them is the work of WebhookQueue. */
import type { Redis } from 'ioredis';
import { ENDPOINT_WIDTH } from '../domain/webhook-breaker.ts';
import type {
  DeliveryAttempt,
  DeliveryState,
  WebhookDelivery,
  WebhookMessage,
} from '../domain/webhook-delivery.ts';
import { isPerishable, type MessageEvent } from '../domain/webhook.ts';
import { afterCursor } from './job-list.ts';
import type { Keys } from './keys.ts';
import { pairUp, toList } from './replies.ts';
import { Script } from './script.ts';
import { ENQUEUE_DELIVERY, REDELIVER, WEBHOOKS } from './scripts/webhooks.ts';
import { endpointOf, toAttempt, toDelivery } from './webhook-record.ts';

export interface DeliveryFilter {
  /** Any of them; absent: all. */
  readonly states?: readonly DeliveryState[];
  readonly event?: MessageEvent;
  readonly subject?: string;
  /** Made at this time or later, and before that: ms since the epoch. */
  readonly since?: number;
  readonly until?: number;
  readonly limit: number;
  readonly cursor?: string;
}

export interface LoggedDelivery extends WebhookDelivery {
  /** The newest, oldest of them first. */
  readonly attempts: readonly DeliveryAttempt[];
  readonly endpoint: {
    /** Failures in a row. */
    readonly failures: number;
    /** Nothing is sent until then; null when nothing holds it up. */
    readonly pausedUntil: number | null;
    /** Why nothing is sent at all, until somebody asks for a redelivery; null when it is not so. */
    readonly disabled: string | null;
  };
}

export interface DeliveryPage {
  /** Newest first. */
  readonly deliveries: LoggedDelivery[];
  /** Where the next page starts; null on the last. A page may hold fewer than asked for, even none. */
  readonly cursor: string | null;
}

export type EnqueueOutcome = 'queued' | 'known' | 'skipped' | 'dropped';

/** Of the log: what has ended. What waits is never forgotten. */
export interface DeliveryRetention {
  readonly logTtlMs: number;
}

/** Ended deliveries of one tenant that are kept; some 10 MB when each had one attempt. */
export const MAX_LOGGED = 10_000;
/** Messages that may wait for one endpoint, some 60 MB: a receiver that is dead for days must not fill Redis. */
const MAX_WAITING = 100_000;
/** Entries looked at for one page, so that a rare state cannot make one call read the whole log. */
const MAX_LOOKED_AT = 1_000;

const enqueue = new Script(WEBHOOKS, ENQUEUE_DELIVERY);
const redeliver = new Script(WEBHOOKS, REDELIVER);

export class WebhookDeliveries {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #logTtlMs: number;

  constructor(redis: Redis, keys: Keys, { logTtlMs }: DeliveryRetention) {
    this.#redis = redis;
    this.#keys = keys;
    this.#logTtlMs = Math.ceil(logTtlMs);
  }

  /** Doing it again does nothing, for as long as the delivery is in the log. */
  async enqueue(message: WebhookMessage): Promise<EnqueueOutcome> {
    const { tenant, id, event, subject, url, at } = message;
    const answer = await enqueue.run(
      this.#redis,
      [this.#keys.webhookEndpoints],
      [
        this.#keys.prefix,
        tenant,
        endpointOf(url),
        id,
        ENDPOINT_WIDTH,
        MAX_WAITING,
        isPerishable(event) ? 1 : 0,
        event === 'test' ? 1 : 0,
        MAX_LOGGED,
        this.#logTtlMs,
        ...Object.entries({ event, subject, url, at }).flat(),
      ],
    );
    return answer === 'queued' || answer === 'known' || answer === 'skipped' ? answer : 'dropped';
  }

  async read(tenant: string, id: string): Promise<LoggedDelivery | undefined> {
    const [delivery] = await this.#readAll(tenant, [id]);
    return delivery;
  }

  /** Throws InvalidCursorError for a cursor that no page gave. */
  async list(tenant: string, filter: DeliveryFilter): Promise<DeliveryPage> {
    const found: LoggedDelivery[] = [];
    let newest = filter.cursor === undefined ? beforeTime(filter.until) : afterCursor(filter.cursor);
    for (let lookedAt = 0; lookedAt < MAX_LOOKED_AT;) {
      const flat = await this.#redis.zrevrangebyscore(
        this.#keys.deliveries(tenant),
        newest,
        filter.since ?? '-inf',
        'WITHSCORES',
        'LIMIT',
        0,
        filter.limit,
      );
      const entries = [...pairUp(flat)];
      const page = await this.#readAll(
        tenant,
        entries.map(([id]) => id),
      );
      for (const [n, delivery] of page.entries()) {
        if (delivery === undefined || !fits(delivery, filter)) continue;
        found.push(delivery);
        if (found.length === filter.limit) return { deliveries: found, cursor: entries[n]?.[1] ?? null };
      }
      const last = entries.at(-1);
      if (last === undefined || entries.length < filter.limit) return { deliveries: found, cursor: null };
      newest = `(${last[1]}`;
      lookedAt += entries.length;
    }
    return { deliveries: found, cursor: newest.slice(1) };
  }

  /**
   * Sends it again under the same id, with all attempts before it, also when it has been delivered or dropped. The
   * endpoint is taken for sound again, because somebody who asks has reason to think so. One that is under way stays so.
   */
  async redeliver(tenant: string, id: string): Promise<'queued' | 'under_way' | 'missing'> {
    const answer = await redeliver.run(
      this.#redis,
      [this.#keys.webhookEndpoints],
      [this.#keys.prefix, tenant, id, ENDPOINT_WIDTH],
    );
    return answer === 'queued' || answer === 'under_way' ? answer : 'missing';
  }

  /** In the order of the ids; undefined for what is not in the log, or no longer. */
  async #readAll(tenant: string, ids: readonly string[]): Promise<(LoggedDelivery | undefined)[]> {
    const hashes = await this.#pipelined(ids.map((id) => ['hgetall', this.#keys.delivery(tenant, id)]));
    const read = ids.map((id, n) => {
      const fields = new Map(Object.entries(toObject(hashes[n])));
      return fields.size === 0
        ? undefined
        : { delivery: toDelivery(tenant, id, fields), endpoint: fields.get('endpoint') ?? '' };
    });
    const more = await this.#pipelined(
      read.flatMap((entry) =>
        entry === undefined
          ? []
          : [
              ['lrange', this.#keys.deliveryAttempts(tenant, entry.delivery.id), '0', '-1'],
              ['hgetall', this.#keys.webhookEndpoint(tenant, entry.endpoint)],
            ],
      ),
    );
    let n = 0;
    return read.map((entry) => {
      if (entry === undefined) return undefined;
      const attempts = toList(more[n++]).map((text) => toAttempt(String(text)));
      return { ...entry.delivery, attempts, endpoint: toHealth(toObject(more[n++])) };
    });
  }

  async #pipelined(commands: string[][]): Promise<unknown[]> {
    if (commands.length === 0) return [];
    const replies = (await this.#redis.pipeline(commands).exec()) ?? [];
    return replies.map(([error, reply]) => {
      if (error !== null) throw error;
      return reply;
    });
  }
}

function toHealth(fields: Readonly<Record<string, string>>): LoggedDelivery['endpoint'] {
  const openUntil = Number(fields['openUntil'] ?? 0);
  return {
    failures: Number(fields['failures'] ?? 0),
    pausedUntil: openUntil > 0 ? openUntil : null,
    disabled: fields['disabled'] ?? null,
  };
}

function toObject(hash: unknown): Record<string, string> {
  if (typeof hash !== 'object' || hash === null) return {};
  return Object.fromEntries(Object.entries(hash).map(([field, value]) => [field, String(value)]));
}

function fits(delivery: WebhookDelivery, { states, event, subject }: DeliveryFilter): boolean {
  return (
    (states === undefined || states.includes(delivery.state)) &&
    (event === undefined || delivery.event === event) &&
    (subject === undefined || delivery.subject === subject)
  );
}

function beforeTime(until: number | undefined): string {
  return until === undefined ? '+inf' : `(${until}`;
}
