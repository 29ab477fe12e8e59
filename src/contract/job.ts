/** What every answer about a job looks like, and how jobs are looked for. */
import { Type, type Static } from 'typebox';
import { JOB_KINDS } from '../domain/job.ts';
import { JOB_STATES } from '../domain/job-state.ts';
import { LIMITS } from '../domain/limits.ts';
import { EffectiveRequest } from './effective-request.ts';
import { nullable } from './nullable.ts';

const CLOSED = { additionalProperties: false } as const;

const JobStateName = Type.Enum(JOB_STATES);

const STORED_FILE = {
  url: Type.String({ description: 'Signed; needs no API key; ask for the job again when it has expired' }),
  width: Type.Integer(),
  height: Type.Integer(),
  bytes: Type.Integer(),
  sha256: Type.String(),
  content_type: Type.String(),
};
const JobImage = Type.Object({ n: Type.Integer(), seed: Type.Integer(), ...STORED_FILE }, CLOSED);

const Timings = Type.Object(
  {
    created_at: Type.String({ format: 'date-time' }),
    started_at: nullable('string', { format: 'date-time', description: 'Start of the newest run' }),
    finished_at: nullable('string', { format: 'date-time' }),
    queue_ms: nullable('integer', { description: 'From created to started' }),
    render_ms: nullable('integer', { description: 'From started to finished' }),
  },
  CLOSED,
);

export const JobView = Type.Object(
  {
    id: Type.String(),
    state: JobStateName,
    queue_position: nullable('integer', {
      description: 'Place among the jobs of the same model and size, 1 is the next; null unless it waits',
    }),
    progress: Type.Object(
      {
        step: Type.Integer({ description: 'Denoising steps done, over all images' }),
        steps: Type.Integer(),
        eta_seconds: nullable('number'),
      },
      CLOSED,
    ),
    timings: Timings,
    attempts: Type.Integer({
      description:
        'Runs, the newest included; interrupted by a drain or a crash of the worker they do not count',
    }),
    average_batch: nullable('number', { description: 'Mean number of images denoised together with it' }),
    request: EffectiveRequest,
    bulk: Type.Union([
      Type.Object({ id: Type.String(), row: Type.Integer({ description: 'Counted from 0' }) }, CLOSED),
      Type.Null({ description: 'Unless it is a row of a bulk' }),
    ]),
    images: Type.Array(JobImage),
    depth_map: Type.Union([
      Type.Object(STORED_FILE, CLOSED),
      Type.Null({ description: 'Unless the job asked for it with return_depth_map and has succeeded' }),
    ]),
    latents: Type.Array(Type.Object({ n: Type.Integer(), seed: Type.Integer(), ...STORED_FILE }, CLOSED), {
      description:
        'Of a job with an end_step, instead of images: safetensors files, to go on from with init_latent',
    }),
    error: Type.Union([
      Type.Object({ code: Type.String(), message: Type.String() }, CLOSED),
      Type.Null({ description: 'Unless failed' }),
    ]),
    links: Type.Object({ self: Type.String(), events: Type.String(), cancel: Type.String() }, CLOSED),
  },
  { $id: 'JobView', ...CLOSED },
);
export type JobView = Static<typeof JobView>;

export const JobList = Type.Object(
  {
    jobs: Type.Array(JobView, { description: 'Newest first' }),
    cursor: nullable('string', { description: 'Give it back for the next page; null on the last' }),
  },
  { $id: 'JobList', ...CLOSED },
);
export type JobList = Static<typeof JobList>;

export const JobFilter = Type.Object(
  {
    state: Type.Optional(JobStateName),
    kind: Type.Optional(Type.Enum(JOB_KINDS)),
    model: Type.Optional(Type.String({ maxLength: 128 })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: LIMITS.pageMax, default: LIMITS.pageDefault })),
    cursor: Type.Optional(Type.String({ maxLength: 256 })),
  },
  CLOSED,
);
