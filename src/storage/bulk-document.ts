/** `bulk.json`: the record of a bulk at its end. It answers for the bulk once the record has expired in Redis. */
import { Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { BULK_STATES, type Bulk } from '../domain/bulk.ts';
import { PRIORITIES } from '../domain/job.ts';
import { WEBHOOK_EVENTS } from '../domain/webhook.ts';

const SCHEMA = 1;

const Count = Type.Integer({ minimum: 0 });
const OptionalTime = Type.Union([Type.Integer(), Type.Null()]);
const Webhook = Type.Object({ url: Type.String(), events: Type.Array(Type.Enum(WEBHOOK_EVENTS)) });

const document = Compile(
  Type.Object({
    schema: Type.Literal(SCHEMA),
    bulk: Type.Object({
      tenant: Type.String(),
      id: Type.String(),
      name: Type.String(),
      rows: Count,
      images: Count,
      rejected: Count,
      priority: Type.Enum(PRIORITIES),
      webhook: Type.Union([Webhook, Type.Null()]),
      state: Type.Enum(BULK_STATES),
      counts: Type.Object({
        waiting: Count,
        queued: Count,
        running: Count,
        succeeded: Count,
        failed: Count,
        cancelled: Count,
      }),
      run: Count,
      createdAt: Type.Integer(),
      startedAt: OptionalTime,
      finishedAt: OptionalTime,
      pace: Type.Array(Type.Object({ from: Type.Number(), rows: Type.Number() })),
    }),
  }),
);

export function bulkDocument(bulk: Bulk): Uint8Array {
  return Buffer.from(JSON.stringify({ schema: SCHEMA, bulk }));
}

/** Throws when the bytes are no such document. */
export function parseBulkDocument(bytes: Uint8Array): Bulk {
  const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  if (!document.Check(value)) throw new Error('the document of a bulk is damaged');
  return value.bulk;
}
