/** What a caller sends to make a job, and what every answer about a job looks like. */
import { Type, type Static } from 'typebox';
import { JOB_KINDS, OUTPUT_FORMATS, PRIORITIES } from '../domain/job.ts';
import { JOB_DEFAULTS } from '../domain/job-defaults.ts';
import { JOB_STATES } from '../domain/job-state.ts';
import { LIMITS } from '../domain/limits.ts';
import { nullable } from './nullable.ts';
import { SAMPLER_NAMES } from './samplers.ts';

const CLOSED = { additionalProperties: false } as const;

export const JobKind = Type.Enum(['txt2img']);
export const JobStateName = Type.Enum(JOB_STATES);

const PROMPT = {
  maxLength: LIMITS.promptChars,
  description: 'Unicode; control characters other than tab and line feed are refused. CLIP reads 75 tokens',
};
const Side = Type.Integer({
  minimum: LIMITS.sideMin,
  maximum: LIMITS.sideMax,
  multipleOf: LIMITS.sideMultiple,
  description: "Pixels; the model's own size when absent",
});
const Seed = Type.Integer({
  minimum: 0,
  maximum: LIMITS.seedMax,
  description: 'Image n uses seed + n; random when absent',
});
/** Written as plain JSON Schema: a TypeBox record would match its keys by `.*`, which no key with a line feed fits. */
const Metadata = Type.Unsafe<Record<string, string>>({
  type: 'object',
  propertyNames: { maxLength: LIMITS.metadataKeyChars },
  additionalProperties: { type: 'string', maxLength: LIMITS.metadataValueChars },
  maxProperties: LIMITS.metadataKeys,
  description: 'Your own labels, given back with the job',
});
const Format = Type.Enum(OUTPUT_FORMATS, { default: JOB_DEFAULTS.format });
const Quality = Type.Integer({
  minimum: 1,
  maximum: 100,
  default: JOB_DEFAULTS.quality,
  description: 'Of jpeg and webp; png has no loss',
});

export const CreateJob = Type.Object(
  {
    kind: JobKind,
    prompt: Type.String({ minLength: 1, ...PROMPT }),
    negative_prompt: Type.Optional(Type.String({ ...PROMPT, default: JOB_DEFAULTS.negativePrompt })),
    model: Type.Optional(Type.String({ minLength: 1, maxLength: 128, description: 'See GET /v1/models' })),
    width: Type.Optional(Side),
    height: Type.Optional(Side),
    steps: Type.Optional(Type.Integer({ minimum: 1, maximum: LIMITS.stepsMax, default: JOB_DEFAULTS.steps })),
    guidance_scale: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: LIMITS.guidanceScaleMax,
        default: JOB_DEFAULTS.guidanceScale,
        description: '1 or less turns guidance off, and a sample then costs half',
      }),
    ),
    guidance_rescale: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 1,
        default: JOB_DEFAULTS.guidanceRescale,
        description: 'How far to take back the contrast that guidance adds; 0 is not at all',
      }),
    ),
    clip_skip: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: LIMITS.clipSkipMax,
        default: JOB_DEFAULTS.clipSkip,
        description:
          'Last layers of the text encoder to leave out; the model must have more. 1 is "2" in A1111',
      }),
    ),
    seed: Type.Optional(Seed),
    sampler: Type.Optional(
      Type.Enum(SAMPLER_NAMES, { default: JOB_DEFAULTS.sampler, description: 'See GET /v1/samplers' }),
    ),
    images: Type.Optional(
      Type.Integer({ minimum: 1, maximum: LIMITS.imagesMax, default: JOB_DEFAULTS.images }),
    ),
    priority: Type.Optional(Type.Enum(PRIORITIES, { default: JOB_DEFAULTS.priority })),
    output: Type.Optional(
      Type.Object({ format: Type.Optional(Format), quality: Type.Optional(Quality) }, CLOSED),
    ),
    metadata: Type.Optional(Metadata),
  },
  { $id: 'CreateJob', ...CLOSED },
);
export type CreateJob = Static<typeof CreateJob>;

/** A request with every default filled in: itself a valid request that makes the same images again. */
export const EffectiveRequest = Type.Object(
  {
    kind: Type.Enum(JOB_KINDS),
    prompt: Type.String(),
    negative_prompt: Type.String(),
    model: Type.String(),
    width: Type.Integer(),
    height: Type.Integer(),
    steps: Type.Integer(),
    guidance_scale: Type.Number(),
    guidance_rescale: Type.Number(),
    clip_skip: Type.Integer(),
    seed: Type.Integer({ description: 'Of the first image' }),
    sampler: Type.Enum(SAMPLER_NAMES),
    images: Type.Integer(),
    priority: Type.Enum(PRIORITIES),
    output: Type.Object({ format: Type.Enum(OUTPUT_FORMATS), quality: Type.Integer() }, CLOSED),
    metadata: Metadata,
  },
  CLOSED,
);

const JobImage = Type.Object(
  {
    n: Type.Integer(),
    url: Type.String({ description: 'Signed; needs no API key; ask for the job again when it has expired' }),
    seed: Type.Integer(),
    width: Type.Integer(),
    height: Type.Integer(),
    bytes: Type.Integer(),
    sha256: Type.String(),
    content_type: Type.String(),
  },
  CLOSED,
);

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
    images: Type.Array(JobImage),
    error: Type.Union([
      Type.Object({ code: Type.String(), message: Type.String() }, CLOSED),
      Type.Null({ description: 'Unless failed' }),
    ]),
    links: Type.Object({ self: Type.String(), cancel: Type.String() }, CLOSED),
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
    kind: Type.Optional(JobKind),
    model: Type.Optional(Type.String({ maxLength: 128 })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: LIMITS.pageMax, default: LIMITS.pageDefault })),
    cursor: Type.Optional(Type.String({ maxLength: 256 })),
  },
  CLOSED,
);
