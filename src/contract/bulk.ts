/** What every answer about a bulk looks like, and how bulks are looked for. */
import { Type, type Static } from 'typebox';
import { BULK_STATES } from '../domain/bulk.ts';
import { PRIORITIES } from '../domain/job.ts';
import { LIMITS } from '../domain/limits.ts';
import { nullable } from './nullable.ts';

const CLOSED = { additionalProperties: false } as const;

const BulkStateName = Type.Enum(BULK_STATES);
const Count = Type.Integer({ minimum: 0 });

const Counts = Type.Object(
  {
    waiting: Type.Integer({ minimum: 0, description: 'Rows that have no job yet' }),
    queued: Count,
    running: Count,
    succeeded: Count,
    failed: Count,
    cancelled: Count,
  },
  { ...CLOSED, description: 'Each row counts once: they always add up to `rows`' },
);

export const BulkView = Type.Object(
  {
    id: Type.String(),
    name: Type.String(),
    state: BulkStateName,
    rows: Type.Integer({ description: 'Accepted rows' }),
    images: Type.Integer({ description: 'Images that all rows make together' }),
    rejected: Type.Integer({ description: 'Rows of the file that were left out; see errors.csv' }),
    counts: Counts,
    priority: Type.Enum(PRIORITIES),
    run: Type.Integer({ description: 'How often failed rows were started again' }),
    rows_per_minute: nullable('number', { description: 'As measured of late; null before the first end' }),
    eta_seconds: nullable('number', { description: 'At that rate; null while it is not known, or paused' }),
    timings: Type.Object(
      {
        created_at: Type.String({ format: 'date-time' }),
        started_at: nullable('string', { format: 'date-time', description: 'When the first row was fed' }),
        finished_at: nullable('string', { format: 'date-time', description: 'When the last row ended' }),
      },
      CLOSED,
    ),
    links: Type.Object(
      {
        self: Type.String(),
        events: Type.String(),
        pause: Type.String(),
        resume: Type.String(),
        cancel: Type.String(),
        retry: Type.String(),
      },
      CLOSED,
    ),
  },
  { $id: 'BulkView', ...CLOSED },
);
export type BulkView = Static<typeof BulkView>;

export const BulkList = Type.Object(
  {
    bulks: Type.Array(BulkView, { description: 'Newest first' }),
    cursor: nullable('string', { description: 'Give it back for the next page; null on the last' }),
  },
  { $id: 'BulkList', ...CLOSED },
);
export type BulkList = Static<typeof BulkList>;

export const BulkFilter = Type.Object(
  {
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: LIMITS.pageMax, default: LIMITS.pageDefault })),
    cursor: Type.Optional(Type.String({ maxLength: 256 })),
  },
  CLOSED,
);
