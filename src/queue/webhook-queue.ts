/**
 * Sending, as the couriers share it: due deliveries are claimed under a lease and settled. Whoever dies with one loses
 * its lease, and another sends it again: at least once, under the same id.
 */
import type { Redis } from 'ioredis';
import { ENDPOINT_WIDTH, healthAfter, widthOf, type EndpointHealth } from '../domain/webhook-breaker.ts';
import type { DeliveryAttempt, WebhookDelivery } from '../domain/webhook-delivery.ts';
import type { AttemptEnd, DeliveryDecision } from '../domain/webhook-retry.ts';
import type { Keys } from './keys.ts';
import { pairUp, toList } from './replies.ts';
import { Script } from './script.ts';
import { CLAIM_DELIVERIES, READ_HEALTH, SETTLE_DELIVERY, WEBHOOKS } from './scripts/webhooks.ts';
import { MAX_LOGGED, type DeliveryRetention } from './webhook-deliveries.ts';
import { toDelivery } from './webhook-record.ts';

export interface ClaimedDelivery {
  readonly delivery: WebhookDelivery;
  readonly endpoint: string;
  /** What shares the places of one host; opaque. */
  readonly host: string;
  readonly token: string;
  /** Why nothing must be sent to this endpoint; null when something may. */
  readonly disabled: string | null;
}

export interface Claims {
  readonly claimed: readonly ClaimedDelivery[];
  /** Ms until something is due; null when nothing waits. */
  readonly nextMs: number | null;
}

/** The end of an attempt that was made, and what is to be done about the message. */
export interface EndedAttempt {
  readonly end: AttemptEnd;
  readonly attempt: DeliveryAttempt;
  readonly decision: DeliveryDecision;
}

export interface WebhookQueueOptions extends DeliveryRetention {
  /** Longer than any attempt takes; after it, an unsettled delivery is sent by somebody else. */
  readonly leaseMs: number;
}

/** Attempts to all endpoints of one host at the same time, from one courier: a fourth of its places. */
const HOST_WIDTH = 16;
const LOOKED_AT = 256;
/** Of one delivery. Ten are made without being asked for. */
const MAX_ATTEMPTS_KEPT = 20;
const GONE = 'the endpoint answered 410 Gone';

const claim = new Script(WEBHOOKS, CLAIM_DELIVERIES);
const settle = new Script(WEBHOOKS, SETTLE_DELIVERY);
const readHealth = new Script(WEBHOOKS, READ_HEALTH);

interface Verdict {
  readonly state: string;
  readonly pauseMs: number;
  readonly reason: string;
}

interface ReadHealth extends EndpointHealth {
  readonly version: number;
}

export class WebhookQueue {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #options: WebhookQueueOptions;

  constructor(redis: Redis, keys: Keys, options: WebhookQueueOptions) {
    this.#redis = redis;
    this.#keys = keys;
    this.#options = options;
  }

  /** Takes up to `free` due deliveries, a few of each endpoint; `busy` is how many the caller has of each host. */
  async claim(free: number, busy: ReadonlyMap<string, number>): Promise<Claims> {
    const [next, ...rest] = toList(
      await claim.run(
        this.#redis,
        [this.#keys.webhookEndpoints],
        [
          this.#keys.prefix,
          free,
          ENDPOINT_WIDTH,
          Math.ceil(this.#options.leaseMs),
          HOST_WIDTH,
          JSON.stringify(Object.fromEntries(busy)),
          LOOKED_AT,
        ],
      ),
    );
    const claimed: ClaimedDelivery[] = [];
    for (let n = 0; n + 3 < rest.length; n += 4) {
      claimed.push(toClaimed(String(rest[n]), String(rest[n + 1]), rest[n + 2], String(rest[n + 3])));
    }
    return { claimed, nextMs: Number(next) < 0 ? null : Number(next) };
  }

  /** Notes an attempt. False when the delivery is no longer the caller's: its lease is over and another has it. */
  async settle(held: ClaimedDelivery, { end, attempt, decision }: EndedAttempt): Promise<boolean> {
    const verdict = verdictOf(decision);
    for (;;) {
      const health = await this.#health(held);
      const after = healthAfter(health, end);
      const answer = await this.#settle(held, verdict, [
        JSON.stringify(attempt),
        health.version,
        after.failures,
        Math.ceil(after.pauseMs),
        widthOf(after),
        decision.kind === 'disabled' ? GONE : '',
      ]);
      if (answer !== 'moved') return answer === 'settled';
    }
  }

  /** Ends a delivery without an attempt. */
  async drop(held: ClaimedDelivery, reason: string): Promise<boolean> {
    const verdict = { state: 'dropped', pauseMs: 0, reason };
    return (await this.#settle(held, verdict, ['', 0, 0, 0, 0, ''])) === 'settled';
  }

  #settle(
    { delivery, endpoint, token }: ClaimedDelivery,
    { state, pauseMs, reason }: Verdict,
    attempt: (string | number)[],
  ): Promise<unknown> {
    return settle.run(
      this.#redis,
      [this.#keys.webhookEndpoints],
      [
        this.#keys.prefix,
        delivery.tenant,
        endpoint,
        delivery.id,
        token,
        state,
        pauseMs,
        reason,
        ...attempt,
        MAX_LOGGED,
        Math.ceil(this.#options.logTtlMs),
        ENDPOINT_WIDTH,
        MAX_ATTEMPTS_KEPT,
      ],
    );
  }

  async #health({ delivery, endpoint }: ClaimedDelivery): Promise<ReadHealth> {
    const [failures, pauseMs, version] = toList(
      await readHealth.run(
        this.#redis,
        [this.#keys.webhookEndpoints],
        [this.#keys.prefix, delivery.tenant, endpoint],
      ),
    );
    return { failures: Number(failures), pauseMs: Number(pauseMs), version: Number(version) };
  }
}

function verdictOf(decision: DeliveryDecision): Verdict {
  switch (decision.kind) {
    case 'retry':
      return { state: 'pending', pauseMs: decision.pauseMs, reason: '' };
    case 'disabled':
      return { state: 'dropped', pauseMs: 0, reason: GONE };
    case 'delivered':
    case 'exhausted':
      return { state: decision.kind, pauseMs: 0, reason: '' };
  }
}

function toClaimed(tenant: string, id: string, hash: unknown, disabled: string): ClaimedDelivery {
  const fields = pairUp(toList(hash));
  const endpoint = fields.get('endpoint') ?? '';
  return {
    delivery: toDelivery(tenant, id, fields),
    endpoint,
    host: `${tenant}/${endpoint.slice(0, endpoint.lastIndexOf('-'))}`,
    token: fields.get('token') ?? '',
    disabled: disabled === '' ? null : disabled,
  };
}
