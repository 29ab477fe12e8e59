import type { DeliveryView } from '../src/contract/webhook.ts';
import type { LoggedDelivery } from '../src/queue/webhook-deliveries.ts';
import { isoTime } from '../src/view/job-view.ts';

export function toDeliveryView(delivery: LoggedDelivery, origin: string): DeliveryView {
  const { id, event, subject, url, state, reason, attempts, tries, endpoint } = delivery;
  const self = `${origin}/v1/webhooks/deliveries/${id}`;
  return {
    id,
    event,
    subject: event === 'test' ? null : subject,
    url,
    state,
    reason,
    attempts: attempts.map(({ at, durationMs, status, error, answer }) => ({
      at: isoTime(at),
      duration_ms: durationMs,
      status,
      error,
      answer,
    })),
    tries,
    created_at: isoTime(delivery.createdAt),
    next_attempt_at: timeOrNull(delivery.dueAt),
    finished_at: timeOrNull(delivery.finishedAt),
    endpoint: {
      failures: endpoint.failures,
      paused_until: timeOrNull(endpoint.pausedUntil),
      disabled: endpoint.disabled,
    },
    links: { self, redeliver: `${self}/redeliver` },
  };
}

function timeOrNull(at: number | null): string | null {
  return at === null ? null : isoTime(at);
}
