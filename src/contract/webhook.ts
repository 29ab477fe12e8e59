/** Webhooks as callers ask for them. */
import { Type, type TUnsafe } from 'typebox';
import {
  DEFAULT_WEBHOOK_EVENTS,
  JOB_WEBHOOK_EVENTS,
  WEBHOOK_EVENTS,
  type JobWebhookEvent,
  type WebhookEvent,
} from '../domain/webhook.ts';
import { LIMITS } from '../domain/limits.ts';

const CLOSED = { additionalProperties: false } as const;

export const WebhookUrl = Type.String({
  minLength: 1,
  maxLength: LIMITS.webhookUrlChars,
  description: 'https, at a public address, without user name or password',
});

interface AskedWebhook<Event> {
  readonly url: string;
  readonly events?: readonly Event[];
}

const JOB_DEFAULT = DEFAULT_WEBHOOK_EVENTS.filter((event) => event !== 'bulk.completed');

/** The `webhook` of a job; null is the same as none. */
export const JobWebhookField = webhookField(
  JOB_WEBHOOK_EVENTS,
  JOB_DEFAULT,
  'Where to tell what becomes of the job; when absent, the webhook of the farm if it has one',
) satisfies TUnsafe<AskedWebhook<JobWebhookEvent> | null>;

/** The `webhook` of a bulk: its jobs are told of as if each had asked, and so is its end. */
export const BulkWebhookField = webhookField(
  WEBHOOK_EVENTS,
  DEFAULT_WEBHOOK_EVENTS,
  'Where to tell what becomes of the jobs of the bulk, and of the bulk as a whole (bulk.completed)',
) satisfies TUnsafe<AskedWebhook<WebhookEvent> | null>;

/** One `type` list instead of a union: a fault then names the field once, not once for every branch. */
function webhookField<Event extends WebhookEvent>(
  events: readonly Event[],
  whenAbsent: readonly Event[],
  description: string,
): TUnsafe<AskedWebhook<Event> | null> {
  return Type.Unsafe<AskedWebhook<Event> | null>({
    type: ['object', 'null'],
    properties: {
      url: WebhookUrl,
      events: {
        type: 'array',
        items: { type: 'string', enum: [...events] },
        uniqueItems: true,
        default: [...whenAbsent],
        description:
          'None at all is taken too. progress comes at most every 5 seconds and is not repeated when it fails',
      },
    },
    required: ['url'],
    ...CLOSED,
    description,
  });
}
