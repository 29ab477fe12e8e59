/**
 * What a message says is read when it is sent: the job as it is then, with image links that have their whole life before
 * them. So a message that waits for days costs Redis an id, and tells no old news.
 */
import type { Bulk, BulkRef } from '../../../src/domain/bulk.ts';
import { isTerminal } from '../../../src/domain/job-state.ts';
import type { JobRecord, JobRef } from '../../../src/domain/job.ts';
import type { WebhookDelivery } from '../../../src/domain/webhook-delivery.ts';
import { sequenceOf, type JobWebhookEvent } from '../../../src/domain/webhook.ts';
import type { JobRecords } from '../../../src/queue/job-records.ts';
import { parseJobDocument } from '../../../src/storage/job-document.ts';
import { jobDocumentKey } from '../../../src/storage/object-keys.ts';
import type { ObjectStore } from '../../../src/storage/object-store.ts';
import type { ImageLinks } from '../../../src/view/image-links.ts';
import { toJobView } from '../../../src/view/job-view.ts';
import { bodyOf, bulkData, jobBody } from './message.ts';

export interface SubjectParts {
  readonly records: Pick<JobRecords, 'read'>;
  readonly store: Pick<ObjectStore, 'get'>;
  readonly links: ImageLinks;
  readonly readBulk: (ref: BulkRef) => Promise<Bulk | undefined>;
  /** Where links start: `https://host`, without a slash at the end. */
  readonly origin: string;
}

export type Told =
  | { readonly kind: 'body'; readonly body: Uint8Array }
  /** There is nothing to tell any more. */
  | { readonly kind: 'nothing'; readonly reason: string };

/** Throws when Redis or the store does. */
export function told(delivery: WebhookDelivery, parts: SubjectParts): Promise<Told> {
  const { event } = delivery;
  switch (event) {
    case 'test':
      return Promise.resolve(bodyFor(delivery, {}, {}));
    case 'bulk.completed':
      return tellBulk(delivery, parts);
    case 'started':
    case 'completed':
    case 'failed':
    case 'cancelled':
    case 'progress':
      return tellJob(delivery, event, parts);
  }
}

/** The record, or the document that outlives it. */
export async function readJob(
  { records, store }: Pick<SubjectParts, 'records' | 'store'>,
  ref: JobRef,
): Promise<JobRecord | undefined> {
  const record = await records.read(ref);
  if (record !== undefined) return record;
  const bytes = await store.get(jobDocumentKey(ref));
  return bytes === undefined ? undefined : parseJobDocument(bytes);
}

async function tellJob(
  delivery: WebhookDelivery,
  event: JobWebhookEvent,
  parts: SubjectParts,
): Promise<Told> {
  const record = await readJob(parts, { tenant: delivery.tenant, id: delivery.subject });
  if (record === undefined) return { kind: 'nothing', reason: 'the job is gone' };
  if (event === 'progress' && isTerminal(record.state)) {
    return { kind: 'nothing', reason: 'the job has ended meanwhile' };
  }
  const view = toJobView(record, {
    queuePosition: null,
    origin: parts.origin,
    imagePath: await parts.links.signer(),
  });
  const links = { job: view.links.self, ...deliveryLink(delivery, parts) };
  const sequence = sequenceOf(event, record.progress);
  return { kind: 'body', body: jobBody(delivery, view, { sequence, links }) };
}

async function tellBulk(delivery: WebhookDelivery, parts: SubjectParts): Promise<Told> {
  const { tenant, subject } = delivery;
  const bulk = await parts.readBulk({ tenant, id: subject });
  if (bulk === undefined) return { kind: 'nothing', reason: 'the bulk is gone' };
  const links = { bulk: `${parts.origin}/v1/bulks/${subject}`, ...deliveryLink(delivery, parts) };
  return bodyFor(delivery, bulkData(bulk), links);
}

function bodyFor(delivery: WebhookDelivery, data: object, links: Record<string, string>): Told {
  return { kind: 'body', body: bodyOf(delivery, { data, sequence: null, shortened: [], links }) };
}

function deliveryLink({ id }: WebhookDelivery, { origin }: SubjectParts): { delivery: string } {
  return { delivery: `${origin}/v1/webhooks/deliveries/${id}` };
}
