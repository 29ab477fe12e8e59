/** Which events callers can be told of, and what a message about one is called. */
import type { JobProgress } from './job.ts';

export const JOB_WEBHOOK_EVENTS = ['started', 'completed', 'failed', 'cancelled', 'progress'] as const;
export const WEBHOOK_EVENTS = [...JOB_WEBHOOK_EVENTS, 'bulk.completed'] as const;
export type JobWebhookEvent = (typeof JOB_WEBHOOK_EVENTS)[number];
export type WebhookEvent = (typeof WEBHOOK_EVENTS)[number];

/** What is told to a caller who does not choose: how each job ended, and that the bulk is through. */
export const DEFAULT_WEBHOOK_EVENTS = [
  'completed',
  'failed',
  'cancelled',
  'bulk.completed',
] as const satisfies readonly WebhookEvent[];

/** Where the owner of a job or of a bulk wants to be told, and of what. No event at all means: of nothing. */
export interface Webhook<Event extends WebhookEvent = WebhookEvent> {
  readonly url: string;
  readonly events: readonly Event[];
}
export type JobWebhook = Webhook<JobWebhookEvent>;

/** What a message can be about: an event, or a trial that somebody asked for. */
export const MESSAGE_EVENTS = [...WEBHOOK_EVENTS, 'test'] as const;
export type MessageEvent = (typeof MESSAGE_EVENTS)[number];

/** By the name of the transition in the outbox. A job that goes back to its lane is nobody's news. */
const BY_TRANSITION: ReadonlyMap<string, JobWebhookEvent> = new Map([
  ['job.started', 'started'],
  ['job.succeeded', 'completed'],
  ['job.failed', 'failed'],
  ['job.cancelled', 'cancelled'],
]);

export function eventOfTransition(transition: string): JobWebhookEvent | undefined {
  return BY_TRANSITION.get(transition);
}

/** The `type` of a message, as receivers see it. */
export function messageType(event: MessageEvent): string {
  if (event === 'bulk.completed') return event;
  return event === 'test' ? 'webhook.test' : `job.${event}`;
}

/**
 * One id for each thing that can be told, so that it stays the same over attempts, redeliveries and a courier that dies
 * half-way: a job that starts anew after a crash has started once. `occurrence` tells apart what can happen again: the
 * step of a progress, the run of a bulk. An id holds no dot, since that ends it in the text that is signed.
 */
export function messageId(event: MessageEvent, subject: string, occurrence = 0): string {
  const name = event === 'bulk.completed' ? 'completed' : event;
  return `msg_${subject}_${name}${occurrence === 0 ? '' : `_${occurrence}`}`;
}

/** Grows over the life of a job: messages may overtake each other, and this tells which is newer. */
export function sequenceOf(event: JobWebhookEvent, { step, steps }: JobProgress): number {
  if (event === 'started') return 1;
  return event === 'progress' ? 1 + Math.min(step, steps) : 2 + steps;
}

/** True of news that is worth nothing when it is late: tried once, and only while it is news. */
export function isPerishable(event: MessageEvent): boolean {
  return event === 'progress';
}

/** An address as logs may show it: a query is where callers put their secrets. */
export function shownUrl(url: string): string {
  const [address = ''] = url.split(/[?#]/, 1);
  return address === url ? url : `${address}?[redacted]`;
}
