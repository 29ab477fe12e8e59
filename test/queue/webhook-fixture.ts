/** Deliveries in a real Redis, for tests that play the courier. */
import type { Redis } from 'ioredis';
import type { WebhookMessage } from '../../src/domain/webhook-delivery.ts';
import type { AttemptEnd } from '../../src/domain/webhook-retry.ts';
import { decideDelivery } from '../../src/domain/webhook-retry.ts';
import { messageId } from '../../src/domain/webhook.ts';
import type { Keys } from '../../src/queue/keys.ts';
import type { ClaimedDelivery, EndedAttempt } from '../../src/queue/webhook-queue.ts';
import { newRef } from '../support/jobs.ts';

export const URL_A = 'https://a.example/hook';

export function aMessage(changes: Partial<WebhookMessage> = {}): WebhookMessage {
  const subject = changes.subject ?? newRef().id;
  const event = changes.event ?? 'completed';
  return { id: messageId(event, subject), tenant: 'default', event, subject, url: URL_A, at: 1, ...changes };
}

export function answered(status: number): AttemptEnd {
  return { kind: 'answered', status, retryAfterMs: null };
}

/** What the courier notes of an attempt that ended so. */
export function ended({ delivery }: ClaimedDelivery, end: AttemptEnd): EndedAttempt {
  const attempt = {
    at: 1,
    durationMs: 2,
    status: end.kind === 'answered' ? end.status : null,
    error: end.kind === 'answered' ? null : 'does not answer',
    answer: 'thanks',
  };
  const decision = decideDelivery(end, { event: delivery.event, tries: delivery.tries + 1 }, 0);
  return { end, attempt, decision };
}

/** Lets all pauses be over: of messages, of endpoints and of leases. */
export async function letTimePass(redis: Redis, keys: Keys): Promise<void> {
  const base = `${keys.prefix}:t:default:webhook:`;
  for (const queue of await redis.keys(`${base}queue:*`)) await due(redis, queue);
  for (const flying of await redis.keys(`${base}flying:*`)) await due(redis, flying);
  for (const health of await redis.keys(`${base}endpoint:*`)) await redis.hset(health, 'openUntil', 0);
  await due(redis, keys.webhookEndpoints);
}

async function due(redis: Redis, key: string): Promise<void> {
  for (const member of await redis.zrange(key, '0', '-1')) await redis.zadd(key, 'XX', 1, member);
}
