/** One message on its way to one endpoint, and what came of each attempt. */
import type { MessageEvent } from './webhook.ts';

/**
 * `pending` until its end: the endpoint took it, or every attempt failed, or it was dropped before that, which has a
 * reason. Asking for a redelivery makes any of them pending again.
 */
export const DELIVERY_STATES = ['pending', 'delivered', 'exhausted', 'dropped'] as const;
export type DeliveryState = (typeof DELIVERY_STATES)[number];

/** Everything that a message is made of, once the job or the bulk is read again. */
export interface WebhookMessage {
  /** Also the id of the delivery: there is one for each thing that can be told. */
  readonly id: string;
  readonly tenant: string;
  readonly event: MessageEvent;
  /** Id of the job or of the bulk; empty for a trial. */
  readonly subject: string;
  readonly url: string;
  /** Of the event, by the clock of Redis: ms since the epoch. */
  readonly at: number;
}

export interface WebhookDelivery extends WebhookMessage {
  readonly state: DeliveryState;
  /** Attempts since it was made, or since somebody asked for it again. */
  readonly tries: number;
  readonly createdAt: number;
  /** When the next attempt is due, unless the endpoint is paused; null when there is none. */
  readonly dueAt: number | null;
  readonly finishedAt: number | null;
  /** Why it was dropped. */
  readonly reason: string | null;
}

export interface DeliveryAttempt {
  readonly at: number;
  readonly durationMs: number;
  /** Null when there was no answer, and then `error` says why. */
  readonly status: number | null;
  readonly error: string | null;
  /** The first bytes of the answer, as text. */
  readonly answer: string;
}
