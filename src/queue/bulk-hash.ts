/** The Redis hash of a bulk, read as a Bulk. Its fields are written by the Lua scripts only. */
import { Compile } from 'typebox/compile';
import { Type } from 'typebox';
import { BULK_STATES, type Bulk, type BulkFacts, type BulkRef, type PaceSlot } from '../domain/bulk.ts';
import { PACE_SLOTS, PACE_SLOT_MS } from '../domain/bulk-pace.ts';
import { PRIORITIES } from '../domain/job.ts';
import { WEBHOOK_EVENTS, type Webhook } from '../domain/webhook.ts';
import { parseJson } from './replies.ts';

const webhookShape = Compile(
  Type.Object({ url: Type.String(), events: Type.Array(Type.Enum(WEBHOOK_EVENTS)) }),
);

/** Names and values for the hash. */
export function factFields(facts: BulkFacts): (string | number)[] {
  const { name, rows, images, rejected, priority, webhook } = facts;
  const fields = { name, rows, images, rejected, priority, webhook: JSON.stringify(webhook) };
  return Object.entries(fields).flat();
}

/** Throws when a field that must be there is missing or damaged; the message names the bulk and the field. */
export function toBulk(ref: BulkRef, fields: ReadonlyMap<string, string>): Bulk {
  const damaged = (field: string): Error =>
    new Error(`field ${field} of bulk ${ref.id} is ${fields.get(field) ?? 'missing'}`);
  const count = (field: string): number => {
    const value = Number(fields.get(field) ?? NaN);
    if (!Number.isFinite(value)) throw damaged(field);
    return value;
  };
  const oneOf = <const T extends string>(field: string, known: readonly T[]): T => {
    const found = known.find((candidate) => candidate === fields.get(field));
    if (found === undefined) throw damaged(field);
    return found;
  };
  const time = (field: string): number | null => (fields.has(field) ? count(field) : null);
  const webhook = parseJson(fields.get('webhook') ?? 'null');
  if (webhook !== null && !webhookShape.Check(webhook)) throw damaged('webhook');
  return {
    ...ref,
    name: fields.get('name') ?? '',
    rows: count('rows'),
    images: count('images'),
    rejected: count('rejected'),
    priority: oneOf('priority', PRIORITIES),
    webhook: webhook satisfies Webhook | null,
    state: oneOf('state', BULK_STATES),
    counts: countsOf(count),
    run: count('run'),
    createdAt: count('createdAt'),
    startedAt: time('startedAt'),
    finishedAt: time('finishedAt'),
    pace: paceSlots(fields),
  };
}

function countsOf(count: (field: string) => number): Bulk['counts'] {
  const [queued, running] = [count('queued'), count('running')];
  const [succeeded, failed, cancelled] = [count('succeeded'), count('failed'), count('cancelled')];
  const waiting = count('rows') - queued - running - succeeded - failed - cancelled;
  return { waiting, queued, running, succeeded, failed, cancelled };
}

function paceSlots(fields: ReadonlyMap<string, string>): PaceSlot[] {
  const slots: PaceSlot[] = [];
  for (let n = 0; n < PACE_SLOTS; n++) {
    const from = fields.get(`paceFrom${n}`);
    if (from !== undefined)
      slots.push({ from: Number(from) * PACE_SLOT_MS, rows: Number(fields.get(`pace${n}`)) });
  }
  return slots.toSorted((a, b) => a.from - b.from);
}
