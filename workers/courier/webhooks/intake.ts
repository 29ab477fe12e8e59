/** From events of the outbox to deliveries: who wants to hear of it, if anybody. */
import type { Logger } from 'pino';
import type { Bulk } from '../../../src/domain/bulk.ts';
import type { JobRecord, JobRef } from '../../../src/domain/job.ts';
import {
  eventOfTransition,
  messageId,
  shownUrl,
  type JobWebhookEvent,
  type Webhook,
  type WebhookEvent,
} from '../../../src/domain/webhook.ts';
import type { OutboxEvent } from '../../../src/queue/outbox-event.ts';
import type { OutboxGroup } from '../../../src/queue/outbox-group.ts';
import type { WebhookDeliveries } from '../../../src/queue/webhook-deliveries.ts';
import type { ProgressWatch } from '../../../src/queue/webhook-progress.ts';

export interface IntakeParts {
  readonly group: OutboxGroup;
  readonly deliveries: WebhookDeliveries;
  readonly progress: ProgressWatch;
  readonly readJob: (ref: JobRef) => Promise<JobRecord | undefined>;
  readonly readBulk: (ref: JobRef) => Promise<Pick<Bulk, 'webhook'> | undefined>;
  /** Told of what has no webhook of its own; null: nobody is. */
  readonly fallback: Webhook | null;
  /** Called when something is due. */
  readonly wake: () => void;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

interface News {
  readonly ref: JobRef;
  readonly event: WebhookEvent;
  readonly at: number;
  /** Tells apart what can happen to one subject more than once. */
  readonly occurrence?: number;
}

/**
 * Makes the deliveries of the next events. An event is acknowledged once they are safe in Redis; if this process dies
 * before, the event comes again, and the ids of the deliveries are the same.
 */
export async function takeEvents(parts: IntakeParts): Promise<void> {
  const events = await nextEvents(parts);
  const done = await Promise.all(events.map((event) => handled(event, parts)));
  await parts.group.ack(events.filter((_event, n) => done[n]));
}

/** A read that stopping interrupts is no failure. */
async function nextEvents({ group, signal }: IntakeParts): Promise<OutboxEvent[]> {
  try {
    return await group.read();
  } catch (error) {
    if (signal.aborted) return [];
    throw error;
  }
}

async function handled(event: OutboxEvent, parts: IntakeParts): Promise<boolean> {
  try {
    await take(event, parts);
    return true;
  } catch (error) {
    parts.log.warn(
      { err: error, subject: event.ref.id },
      'webhooks of an event not queued, it is tried again',
    );
    return false;
  }
}

async function take({ type, ref, at, fence }: OutboxEvent, parts: IntakeParts): Promise<void> {
  if (type === 'bulk.completed') {
    const bulk = await parts.readBulk(ref);
    if (bulk !== undefined) await tell(bulk.webhook, { ref, at, event: type, occurrence: fence }, parts);
    return;
  }
  const event = eventOfTransition(type);
  if (event === undefined) return;
  const job = await parts.readJob(ref);
  if (job !== undefined) await tellOfJob(job, event, at, parts);
}

async function tellOfJob(
  job: JobRecord,
  event: JobWebhookEvent,
  at: number,
  parts: IntakeParts,
): Promise<void> {
  const { webhook } = job.params;
  await tell(webhook, { ref: job, event, at }, parts);
  if (event === 'started' && wants(webhook, 'progress', parts) !== undefined) await parts.progress.add(job);
}

/** The webhook that is to be told of such an event. One of the subject's own is told in place of the farm's. */
function wants(own: Webhook | null, event: WebhookEvent, { fallback }: Pick<IntakeParts, 'fallback'>) {
  const webhook = own ?? fallback;
  return webhook !== null && webhook.events.includes(event) ? webhook : undefined;
}

/** Makes the delivery of the news, if anybody wants it. */
export async function tell(
  own: Webhook | null,
  { ref: { tenant, id: subject }, event, at, occurrence }: News,
  parts: Pick<IntakeParts, 'deliveries' | 'fallback' | 'wake' | 'log'>,
): Promise<void> {
  const webhook = wants(own, event, parts);
  if (webhook === undefined) return;
  const id = messageId(event, subject, occurrence);
  const outcome = await parts.deliveries.enqueue({ id, tenant, event, subject, url: webhook.url, at });
  if (outcome === 'queued') parts.wake();
  if (outcome === 'dropped') {
    parts.log.warn({ delivery: id, url: shownUrl(webhook.url) }, 'too many messages wait for this endpoint');
  }
}
