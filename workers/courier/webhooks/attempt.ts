/** One attempt to deliver one message. */
import type { Logger } from 'pino';
import { decideDelivery, parseRetryAfter, type AttemptEnd } from '../../../src/domain/webhook-retry.ts';
import { shownUrl } from '../../../src/domain/webhook.ts';
import type { DeliveryAttempt, WebhookDelivery } from '../../../src/domain/webhook-delivery.ts';
import { guardedPost } from '../../../src/net/guarded-post.ts';
import { OutboundError } from '../../../src/net/outbound-error.ts';
import type { OutboundPolicy } from '../../../src/net/outbound-url.ts';
import { signedHeaders } from '../../../src/net/webhook-signature.ts';
import type { ClaimedDelivery, WebhookQueue } from '../../../src/queue/webhook-queue.ts';
import { told, type SubjectParts } from './subjects.ts';
import type { WebhookMetrics } from './webhook-metrics.ts';

export interface AttemptParts {
  readonly queue: WebhookQueue;
  readonly subjects: SubjectParts;
  /** The newest first; every one of them signs. */
  readonly secrets: () => Promise<readonly string[]>;
  readonly policy: OutboundPolicy;
  readonly timeoutMs: number;
  readonly metrics: WebhookMetrics;
  readonly log: Logger;
}

/**
 * Sends and settles. Throws when Redis or the store does: the lease then runs out, and the message is sent again, maybe
 * for the second time.
 */
export async function attemptDelivery(held: ClaimedDelivery, parts: AttemptParts): Promise<void> {
  const { delivery, disabled } = held;
  if (disabled !== null) {
    await parts.queue.drop(held, disabled);
    return;
  }
  const news = await told(delivery, parts.subjects);
  if (news.kind === 'nothing') {
    await parts.queue.drop(held, news.reason);
    return;
  }
  const { end, attempt } = await send(delivery, news.body, parts);
  const message = { event: delivery.event, tries: delivery.tries + 1 };
  const decision = decideDelivery(end, message, Math.random());
  const settled = await parts.queue.settle(held, { end, attempt, decision });
  const outcome = settled ? decision.kind : 'stale';
  parts.metrics.attempted(attempt, outcome);
  logAttempt(parts.log, delivery, { attempt, decision: outcome });
}

async function send(
  { id, url }: WebhookDelivery,
  body: Uint8Array,
  { secrets, policy, timeoutMs }: AttemptParts,
): Promise<{ end: AttemptEnd; attempt: DeliveryAttempt }> {
  const keys = await secrets();
  const at = Date.now();
  const start = performance.now();
  const headers = { 'content-type': 'application/json', ...signedHeaders(id, at, body, keys) };
  const took = (): number => Math.round(performance.now() - start);
  try {
    const answer = await guardedPost(url, body, { policy, deadlineMs: timeoutMs, headers });
    const retryAfterMs = parseRetryAfter(answer.retryAfter, Date.now());
    const { status, start: shown } = answer;
    return {
      end: { kind: 'answered', status, retryAfterMs },
      attempt: { at, durationMs: took(), status, error: null, answer: shown },
    };
  } catch (error) {
    if (!(error instanceof OutboundError)) throw error;
    const attempt = { at, durationMs: took(), status: null, error: error.message, answer: '' };
    return { end: { kind: 'unanswered' }, attempt };
  }
}

function logAttempt(
  log: Logger,
  { id, url, subject, tries }: WebhookDelivery,
  { attempt, decision }: { attempt: DeliveryAttempt; decision: string },
): void {
  const { status, error, durationMs } = attempt;
  const line = {
    delivery: id,
    subject,
    url: shownUrl(url),
    attempt: tries + 1,
    status,
    error,
    durationMs,
    decision,
  };
  if (decision === 'delivered') log.debug(line, 'webhook delivered');
  else log.info(line, 'webhook not delivered');
}
