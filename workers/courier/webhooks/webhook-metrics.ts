import { Counter, Histogram, type Registry } from 'prom-client';
import type { DeliveryAttempt } from '../../../src/domain/webhook-delivery.ts';

/** Up to the longest that an attempt may take. */
const SECONDS = [0.05, 0.2, 1, 3, 10, 30, 60];

export class WebhookMetrics {
  readonly #attempts: Counter<'outcome' | 'answer'>;
  readonly #seconds: Histogram;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#attempts = new Counter({
      name: 'kiln_webhook_attempts_total',
      help: 'Attempts to deliver a webhook: what became of the message, and what the receiver answered',
      labelNames: ['outcome', 'answer'],
      registers,
    });
    this.#seconds = new Histogram({
      name: 'kiln_webhook_attempt_seconds',
      help: 'Duration of attempts to deliver a webhook',
      buckets: SECONDS,
      registers,
    });
  }

  /** `outcome` is one of a few words; receivers choose statuses, so only their classes are told apart. */
  attempted({ status, durationMs }: DeliveryAttempt, outcome: string): void {
    const answer = status === null ? 'none' : `${Math.floor(status / 100)}xx`;
    this.#attempts.inc({ outcome, answer });
    this.#seconds.observe(durationMs / 1_000);
  }
}
