/** The Redis hash of a delivery, read as a WebhookDelivery. Its fields are written by the scripts only. */
import { createHash } from 'node:crypto';
import {
  DELIVERY_STATES,
  type DeliveryAttempt,
  type DeliveryState,
  type WebhookDelivery,
} from '../domain/webhook-delivery.ts';
import { MESSAGE_EVENTS, type MessageEvent } from '../domain/webhook.ts';
import { parseJson } from './replies.ts';

const HASH_CHARS = 16;

/**
 * `<host>-<path>`, hashed: what is on one host shares its places, what has one path shares a queue and a health. The
 * query is left out, since callers put the ids of jobs there.
 */
export function endpointOf(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${shortHash(origin)}-${shortHash(origin + pathname)}`;
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, HASH_CHARS);
}

/** Throws when a field that must be there is missing or damaged. */
export function toDelivery(tenant: string, id: string, fields: ReadonlyMap<string, string>): WebhookDelivery {
  const text = (name: string): string => {
    const value = fields.get(name);
    if (value === undefined) throw new Error(`field ${name} of delivery ${id} is missing`);
    return value;
  };
  const maybe = (name: string): number | null => {
    const value = fields.get(name);
    return value === undefined ? null : Number(value);
  };
  return {
    id,
    tenant,
    event: toEvent(text('event'), id),
    subject: text('subject'),
    url: text('url'),
    at: Number(text('at')),
    state: toDeliveryState(text('state'), id),
    tries: Number(text('tries')),
    createdAt: Number(text('createdAt')),
    dueAt: maybe('dueAt'),
    finishedAt: maybe('finishedAt'),
    reason: fields.get('reason') ?? null,
  };
}

export function toAttempt(text: string): DeliveryAttempt {
  const entry = parseJson(text);
  if (typeof entry !== 'object' || entry === null) throw new Error(`an attempt to deliver is ${text}`);
  const fields = new Map<string, unknown>(Object.entries(entry));
  const status = fields.get('status');
  const error = fields.get('error');
  const answer = fields.get('answer');
  return {
    at: Number(fields.get('at')),
    durationMs: Number(fields.get('durationMs')),
    status: typeof status === 'number' ? status : null,
    error: typeof error === 'string' ? error : null,
    answer: typeof answer === 'string' ? answer : '',
  };
}

function toEvent(text: string, id: string): MessageEvent {
  const event = MESSAGE_EVENTS.find((known) => known === text);
  if (event === undefined) throw new Error(`delivery ${id} is of the unknown event ${text}`);
  return event;
}

function toDeliveryState(text: string, id: string): DeliveryState {
  const state = DELIVERY_STATES.find((known) => known === text);
  if (state === undefined) throw new Error(`delivery ${id} is in the unknown state ${text}`);
  return state;
}
