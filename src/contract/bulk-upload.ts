/** What comes of an uploaded file. */
import { Type, type Static } from 'typebox';
import { BulkView } from './bulk.ts';
import { nullable } from './nullable.ts';

const CLOSED = { additionalProperties: false } as const;

const RowFault = Type.Object(
  {
    line: Type.Integer({ description: 'Where the row starts in the file, counted from 1' }),
    ref: nullable('string'),
    column: Type.String(),
    value: Type.Optional(Type.Unknown({ description: 'What was sent, shortened' })),
    limit: Type.Optional(Type.Unknown({ description: 'What would have been accepted' })),
    message: Type.String(),
  },
  CLOSED,
);

const Quote = Type.Object(
  {
    images: Type.Integer({ description: 'That have to be rendered' }),
    device_seconds: nullable('number', {
      description:
        'Time of one device: for each model and size, the steps of all images times the time that a step of one image ' +
        'took devices of this farm, measured in whatever company it had there; a size that was never run is taken to ' +
        'cost as much a pixel as the nearest one that was. Decoding and loading are not in it. Null when a model was ' +
        'never run here',
    }),
    backlog_seconds: Type.Number({ description: 'Time of one device for what waits already' }),
    workers: Type.Integer({ description: 'Devices that share the work now' }),
    finish_at: nullable('string', {
      format: 'date-time',
      description:
        'If it started now and nothing else came, all workers being as fast as the one that was measured; null ' +
        'without workers, or without device_seconds',
    }),
    unmeasured: Type.Array(Type.String(), {
      description: 'Models and sizes of which nothing is known, at most 16',
    }),
  },
  CLOSED,
);

export const BulkUpload = Type.Object(
  {
    dry_run: Type.Boolean(),
    bulk: Type.Union([BulkView, Type.Null({ description: 'Of a dry run' })]),
    rows: Type.Integer({ description: 'Of the file' }),
    accepted: Type.Integer(),
    rejected: Type.Integer({ description: 'Rows that cannot be run' }),
    reused: Type.Integer({
      description:
        'Accepted rows that were rendered for the bulk named by diff_of, and are not rendered again',
    }),
    errors: Type.Array(RowFault, { description: 'The first ones' }),
    errors_csv: nullable('string', { description: 'Address of all of them; null when there are none' }),
    quote: Quote,
  },
  { $id: 'BulkUpload', ...CLOSED },
);
export type BulkUpload = Static<typeof BulkUpload>;
