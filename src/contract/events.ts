/**
 * What GET /v1/jobs/:id/events and /v1/bulks/:id/events send, as server-sent events (HTML Living Standard, 9.2). Only
 * `state` has an id: it is what is made up for after an interruption.
 */
import { Type, type Static } from 'typebox';
import { BULK_STATES } from '../domain/bulk.ts';
import { PREVIEW_KINDS } from '../domain/job.ts';
import { JOB_STATES } from '../domain/job-state.ts';
import { BulkView } from './bulk.ts';
import { JobView } from './job.ts';
import { nullable } from './nullable.ts';

const CLOSED = { additionalProperties: false } as const;

const Time = Type.String({ format: 'date-time' });

/** `event: state` of a job. */
export const JobStateEvent = Type.Object(
  {
    state: Type.Enum(JOB_STATES),
    reason: nullable('string', {
      description: 'admit, claim, takeover, commit, retry, drain, cancel and so on',
    }),
    run: Type.Integer({ description: 'How often the job was started' }),
    at: Time,
    job: Type.Union([JobView, Type.Null({ description: 'Unless this is the newest state' })]),
  },
  { $id: 'JobStateEvent', ...CLOSED },
);
export type JobStateEvent = Static<typeof JobStateEvent>;

/** `event: progress` of a job. */
export const JobProgressEvent = Type.Object(
  {
    step: Type.Integer({ description: 'Denoising steps done, over all images' }),
    steps: Type.Integer(),
    eta_seconds: nullable('number'),
  },
  { $id: 'JobProgressEvent', ...CLOSED },
);
export type JobProgressEvent = Static<typeof JobProgressEvent>;

/** `event: preview`. */
export const PreviewEvent = Type.Object(
  {
    n: Type.Integer({ description: 'The image, counted from 0' }),
    step: Type.Integer({ description: 'Steps of the image done, and all of them' }),
    steps: Type.Integer(),
    kind: Type.Enum(PREVIEW_KINDS),
    ms: Type.Number({ description: 'That the device took for it' }),
    width: Type.Integer({ description: 'Of the preview; of a fast one the latents have no more' }),
    height: Type.Integer(),
    content_type: Type.String(),
    data: Type.String({ description: 'Base64, of at most 20 kB' }),
  },
  { $id: 'PreviewEvent', ...CLOSED },
);
export type PreviewEvent = Static<typeof PreviewEvent>;

/** `event: state` of a bulk. */
export const BulkStateEvent = Type.Object(
  {
    state: Type.Enum(BULK_STATES),
    event: nullable('string', {
      description: 'bulk.accepted, bulk.started, bulk.paused, bulk.completed and so on',
    }),
    run: Type.Integer({ description: 'How often failed rows were started again' }),
    at: Time,
    bulk: Type.Union([BulkView, Type.Null({ description: 'Unless this is the newest state' })]),
  },
  { $id: 'BulkStateEvent', ...CLOSED },
);
export type BulkStateEvent = Static<typeof BulkStateEvent>;

/** `event: progress` of a bulk. */
export const BulkProgressEvent = Type.Object(
  {
    counts: BulkView.properties.counts,
    rows_per_minute: BulkView.properties.rows_per_minute,
    eta_seconds: BulkView.properties.eta_seconds,
  },
  { $id: 'BulkProgressEvent', ...CLOSED },
);
export type BulkProgressEvent = Static<typeof BulkProgressEvent>;
