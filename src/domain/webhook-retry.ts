/**
 * What becomes of a message after an attempt to deliver it.
 *
 * | the receiver                             | decision                                               |
 * |------------------------------------------|--------------------------------------------------------|
 * | answers 2xx                              | delivered                                              |
 * | answers 410                              | disabled: nothing is sent to this endpoint any more    |
 * | answers anything else, a redirect too    | retry after the next pause; exhausted after the last   |
 * | does not answer                          | the same                                               |
 *
 * News that perishes, and trials that somebody watches, have one attempt.
 */
import { isPerishable, type MessageEvent } from './webhook.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Before the second attempt and each later one; three days in all. */
const PAUSES_MS = [
  5 * SECOND,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  14 * HOUR,
  20 * HOUR,
  24 * HOUR,
];
export const MAX_WEBHOOK_ATTEMPTS = PAUSES_MS.length + 1;

/** Pauses are longer by up to this share, so that messages which failed together do not come back together. */
const JITTER = 0.1;
const LONGEST_RETRY_AFTER_MS = 24 * HOUR;

/** What came of one attempt. */
export type AttemptEnd =
  | {
      readonly kind: 'answered';
      readonly status: number;
      /** As its Retry-After says; null without one. */
      readonly retryAfterMs: number | null;
    }
  | { readonly kind: 'unanswered' };

export type DeliveryDecision =
  | { readonly kind: 'delivered' | 'disabled' | 'exhausted' }
  | { readonly kind: 'retry'; readonly pauseMs: number };

export function isSuccess(end: AttemptEnd): boolean {
  return end.kind === 'answered' && end.status >= 200 && end.status < 300;
}

/** `tries` counts this attempt too, from the last time that somebody asked for a delivery; `random` is in 0..1. */
export function decideDelivery(
  end: AttemptEnd,
  message: { readonly event: MessageEvent; readonly tries: number },
  random: number,
): DeliveryDecision {
  if (isSuccess(end)) return { kind: 'delivered' };
  if (end.kind === 'answered' && end.status === 410) return { kind: 'disabled' };
  const pauseMs = PAUSES_MS[message.tries - 1];
  if (pauseMs === undefined || message.event === 'test' || isPerishable(message.event)) {
    return { kind: 'exhausted' };
  }
  const asked = end.kind === 'answered' ? (end.retryAfterMs ?? 0) : 0;
  const least = Math.max(pauseMs, Math.min(asked, LONGEST_RETRY_AFTER_MS));
  return { kind: 'retry', pauseMs: Math.round(least * (1 + JITTER * random)) };
}

/** `Retry-After` as RFC 9110 has it, seconds or a date; null when it is neither. `now` in ms since the epoch. */
export function parseRetryAfter(header: string | undefined, now: number): number | null {
  if (header === undefined) return null;
  if (/^\d{1,9}$/.test(header)) return Number(header) * SECOND;
  const at = Date.parse(header);
  return Number.isNaN(at) ? null : Math.max(0, at - now);
}
