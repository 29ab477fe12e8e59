/** Webhooks as callers ask for them, and the log of what was delivered. */
import { Type, type Static, type TUnsafe } from 'typebox';
import { DELIVERY_STATES } from '../domain/webhook-delivery.ts';
import {
  DEFAULT_WEBHOOK_EVENTS,
  JOB_WEBHOOK_EVENTS,
  MESSAGE_EVENTS,
  type JobWebhookEvent,
  type WebhookEvent,
} from '../domain/webhook.ts';
import { LIMITS } from '../domain/limits.ts';
import { nullable } from './nullable.ts';

const CLOSED = { additionalProperties: false } as const;

const WebhookUrl = Type.String({
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

const Attempt = Type.Object(
  {
    at: Type.String({ format: 'date-time' }),
    duration_ms: Type.Integer(),
    status: nullable('integer', { description: 'Null when there was no answer' }),
    error: nullable('string', { description: 'Why there was none' }),
    answer: Type.String({ description: 'The first bytes of the answer' }),
  },
  CLOSED,
);

export const DeliveryView = Type.Object(
  {
    id: Type.String({ description: 'The webhook-id of the message: the same for every attempt' }),
    event: Type.Enum(MESSAGE_EVENTS),
    subject: nullable('string', { description: 'Id of the job or the bulk; null for a test' }),
    url: Type.String(),
    state: Type.Enum(DELIVERY_STATES, {
      description:
        'exhausted: the last attempt failed too. dropped: ended without being sent, for the reason given',
    }),
    reason: nullable('string'),
    attempts: Type.Array(Attempt, { description: 'Oldest first; the newest 20' }),
    tries: Type.Integer({ description: 'Attempts since it was made or asked for again' }),
    created_at: Type.String({ format: 'date-time' }),
    next_attempt_at: nullable('string', {
      format: 'date-time',
      description: 'Null when there is none; later while the endpoint is paused',
    }),
    finished_at: nullable('string', { format: 'date-time' }),
    endpoint: Type.Object(
      {
        failures: Type.Integer({ description: 'In a row, over all messages to this endpoint' }),
        paused_until: nullable('string', { format: 'date-time' }),
        disabled: nullable('string', { description: 'Why nothing is sent there any more' }),
      },
      { ...CLOSED, description: 'The host and path of the url, whatever its query' },
    ),
    links: Type.Object({ self: Type.String(), redeliver: Type.String() }, CLOSED),
  },
  { $id: 'DeliveryView', ...CLOSED },
);
export type DeliveryView = Static<typeof DeliveryView>;

export const DeliveryList = Type.Object(
  {
    deliveries: Type.Array(DeliveryView, { description: 'Newest first' }),
    cursor: nullable('string', { description: 'Give it back for the next page; null on the last' }),
  },
  { $id: 'DeliveryList', ...CLOSED },
);

const CHOICE = {
  event: Type.Optional(Type.Enum(MESSAGE_EVENTS)),
  subject: Type.Optional(Type.String({ maxLength: 128, description: 'Id of a job or a bulk' })),
  since: Type.Optional(Type.String({ format: 'date-time', description: 'Made then or later' })),
  until: Type.Optional(Type.String({ format: 'date-time', description: 'Made before that' })),
  cursor: Type.Optional(Type.String({ maxLength: 256 })),
};
const State = Type.Enum(DELIVERY_STATES);

export const DeliveryQuery = Type.Object(
  {
    ...CHOICE,
    state: Type.Optional(State),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: LIMITS.pageMax, default: LIMITS.pageDefault })),
  },
  CLOSED,
);

export const RedeliverRange = Type.Object(
  {
    ...CHOICE,
    since: Type.String({ format: 'date-time', description: 'Made then or later' }),
    states: Type.Optional(
      Type.Array(State, { minItems: 1, uniqueItems: true, default: ['exhausted', 'dropped'] }),
    ),
  },
  { $id: 'RedeliverRange', ...CLOSED },
);

export const Redelivered = Type.Object(
  {
    redelivered: Type.Integer({ description: 'Deliveries that are due again' }),
    cursor: nullable('string', {
      description: 'There may be more: send the same again with this; null when that was all',
    }),
  },
  { $id: 'Redelivered', ...CLOSED },
);

export const TestWebhook = Type.Object(
  { url: Type.Optional(WebhookUrl) },
  { $id: 'TestWebhook', description: 'Without a url: the webhook of the farm', ...CLOSED },
);
