/** What a caller says beside the file: how to read it, what to do with it, and a value for every column. */
import type { TableFormat } from '../../src/bulk-file/archive.ts';
import { ENCODINGS, type Encoding } from '../../src/bulk-file/encoding.ts';
import { BULK_LIMITS } from '../../src/domain/bulk-limits.ts';
import { KilnError, type FieldFault } from '../../src/domain/errors.ts';
import { PRIORITIES, type Priority } from '../../src/domain/job.ts';
import { textFault } from '../../src/domain/text.ts';
import {
  DEFAULT_WEBHOOK_EVENTS,
  WEBHOOK_EVENTS,
  type Webhook,
  type WebhookEvent,
} from '../../src/domain/webhook.ts';
import type { OutboundPolicy } from '../../src/net/outbound-url.ts';
import { webhookFault } from '../../src/net/webhook-fault.ts';

export const ON_ERROR = ['reject', 'skip'] as const;
export const TABLE_FORMATS = ['csv', 'jsonl'] as const satisfies readonly TableFormat[];

export interface UploadOptions {
  readonly name: string | undefined;
  readonly onError: (typeof ON_ERROR)[number];
  readonly isDry: boolean;
  readonly priority: Priority;
  readonly encoding: Encoding | undefined;
  /** Undefined: told by the file. */
  readonly format: TableFormat | undefined;
  readonly diffOf: string | undefined;
  /** Of the bulk as a whole; what its rows have is among the defaults. */
  readonly webhook: Webhook | null;
  /** By column, as a cell would have them. */
  readonly defaults: ReadonlyMap<string, string>;
}

/** Throws KilnError `invalid_request` with every option that cannot be taken; the defaults are looked at later. */
export function readOptions(fields: ReadonlyMap<string, string>, webhooks: OutboundPolicy): UploadOptions {
  const faults: FieldFault[] = [];
  const left = new Map(fields);
  const take = (field: string): string | undefined => {
    const value = left.get(field);
    left.delete(field);
    return value === '' ? undefined : value;
  };
  const choose = <Choice extends string>(field: string, choices: readonly Choice[]): Choice | undefined => {
    const value = take(field);
    const choice = choices.find((known) => known === value);
    if (value !== undefined && choice === undefined) {
      faults.push({ field, value, limit: choices, message: `must be one of: ${choices.join(', ')}` });
    }
    return choice;
  };
  const name = take('name');
  faults.push(...nameFaults(name));
  const options = {
    name,
    onError: choose('on_error', ON_ERROR) ?? 'reject',
    isDry: choose('dry_run', ['true', 'false']) === 'true',
    priority: choose('priority', PRIORITIES) ?? 'bulk',
    encoding: choose('encoding', ENCODINGS),
    format: choose('format', TABLE_FORMATS),
    diffOf: take('diff_of'),
    webhook: webhookOf(left, webhooks, faults),
  };
  if (faults.length > 0) {
    throw new KilnError('invalid_request', 'The fields of the upload cannot be taken', { faults });
  }
  return { ...options, defaults: left };
}

function nameFaults(name: string | undefined): FieldFault[] {
  if (name === undefined) return [];
  const limit = BULK_LIMITS.nameChars;
  if (name.length > limit) {
    return [{ field: 'name', value: name, limit, message: `must have at most ${limit} characters` }];
  }
  const message = textFault(name);
  return message === undefined ? [] : [{ field: 'name', value: name, message }];
}

/** The rows tell of themselves; what is told of the bulk as a whole is taken out of their events. */
function webhookOf(
  fields: Map<string, string>,
  policy: OutboundPolicy,
  faults: FieldFault[],
): Webhook | null {
  const url = fields.get('webhook.url') ?? '';
  const asked = fields.get('webhook.events');
  if (url === '') return null;
  const misled = webhookFault(url, 'webhook.url', policy);
  if (misled !== undefined) faults.push(misled);
  const names = asked?.split(/[\s,;|]+/).filter((name) => name !== '');
  const events = names?.map((name) => WEBHOOK_EVENTS.find((known) => known === name));
  if (events?.includes(undefined) === true) {
    const message = `must be some of: ${WEBHOOK_EVENTS.join(', ')}`;
    faults.push({ field: 'webhook.events', value: asked, limit: WEBHOOK_EVENTS, message });
  }
  const known = events?.filter((event): event is WebhookEvent => event !== undefined);
  if (known !== undefined) {
    // In brackets, so that none at all is said, too.
    fields.set('webhook.events', `[${known.filter((event) => event !== 'bulk.completed').join(' ')}]`);
  }
  return { url, events: known ?? DEFAULT_WEBHOOK_EVENTS };
}
