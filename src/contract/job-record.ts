/**
 * The shapes of `src/domain/job.ts` as schemas: what stored JSON must look like to be taken as a job again, whether it
 * comes from the record in Redis or from `job.json` in the object store. `src/job-json.ts` proves both to be the same.
 * Unknown fields pass, so that an older process can read what a newer one wrote. Optional fields are those that older
 * ones did not write.
 */
import { Type } from 'typebox';
import { SAMPLER_NAMES } from './samplers.ts';
import { OUTPUT_FORMATS, PREVIEW_KINDS, PRIORITIES } from '../domain/job.ts';
import { JOB_STATES } from '../domain/job-state.ts';
import { JOB_WEBHOOK_EVENTS } from '../domain/webhook.ts';

const Count = Type.Integer({ minimum: 0 });
const OptionalTime = Type.Union([Type.Integer(), Type.Null()]);
const Sampler = Type.Enum(SAMPLER_NAMES);

const StoredWebhook = Type.Object({ url: Type.String(), events: Type.Array(Type.Enum(JOB_WEBHOOK_EVENTS)) });

const COMMON = {
  model: Type.String(),
  prompt: Type.String(),
  negativePrompt: Type.String(),
  width: Count,
  height: Count,
  steps: Count,
  guidanceScale: Type.Number(),
  guidanceRescale: Type.Number(),
  clipSkip: Count,
  eta: Type.Optional(Type.Number()),
  seeds: Type.Array(Type.Number()),
  sampler: Sampler,
  priority: Type.Enum(PRIORITIES),
  output: Type.Object({ format: Type.Enum(OUTPUT_FORMATS), quality: Type.Number() }),
  // Plain JSON Schema: a TypeBox record would match its keys by `.*`, which no key with a line feed fits.
  metadata: Type.Unsafe<Record<string, string>>({
    type: 'object',
    additionalProperties: { type: 'string' },
  }),
  webhook: Type.Optional(Type.Union([StoredWebhook, Type.Null()])),
  bulk: Type.Optional(Type.Union([Type.Object({ id: Type.String(), row: Count }), Type.Null()])),
  preview: Type.Optional(
    Type.Union([Type.Object({ every: Count, kind: Type.Enum(PREVIEW_KINDS) }), Type.Null()]),
  ),
  endStep: Type.Optional(Type.Union([Count, Type.Null()])),
  startFrom: Type.Optional(Type.Union([Type.Object({ latents: Type.String(), step: Count }), Type.Null()])),
};

const StoredUpscaleStage = Type.Object({
  model: Type.String(),
  steps: Count,
  guidanceScale: Type.Number(),
  noiseLevel: Count,
  sampler: Sampler,
});

/** By kind. */
export const STORED_PARAMS = {
  txt2img: Type.Object({
    ...COMMON,
    kind: Type.Literal('txt2img'),
    upscale: Type.Optional(Type.Union([StoredUpscaleStage, Type.Null()])),
  }),
  img2img: Type.Object({
    ...COMMON,
    kind: Type.Literal('img2img'),
    image: Type.String(),
    strength: Type.Number(),
  }),
  depth: Type.Object({
    ...COMMON,
    kind: Type.Literal('depth'),
    image: Type.String(),
    strength: Type.Number(),
    depthMap: Type.Union([Type.String(), Type.Null()]),
    returnDepthMap: Type.Boolean(),
  }),
  inpaint: Type.Object({
    ...COMMON,
    kind: Type.Literal('inpaint'),
    image: Type.String(),
    mask: Type.String(),
    strength: Type.Number(),
    overlay: Type.Boolean(),
    cropPadding: Type.Union([Count, Type.Null()]),
  }),
  upscale: Type.Object({
    ...COMMON,
    kind: Type.Literal('upscale'),
    image: Type.String(),
    noiseLevel: Count,
  }),
};

const StoredImage = Type.Object({
  n: Count,
  key: Type.String(),
  seed: Type.Number(),
  width: Count,
  height: Count,
  bytes: Count,
  sha256: Type.String(),
  contentType: Type.String(),
});

export const StoredResult = Type.Object({
  images: Type.Array(StoredImage),
  averageBatch: Type.Number(),
  depthMap: Type.Optional(Type.Union([StoredImage, Type.Null()])),
  latents: Type.Optional(Type.Array(StoredImage)),
});

export const StoredFailure = Type.Object({ code: Type.String(), message: Type.String() });

/** `params` and `result` have shapes of their own: above. */
export const StoredRecord = Type.Object({
  tenant: Type.String(),
  id: Type.String(),
  state: Type.Enum(JOB_STATES),
  fence: Count,
  lane: Type.String(),
  params: Type.Unknown(),
  createdAt: Type.Integer(),
  startedAt: OptionalTime,
  finishedAt: OptionalTime,
  attempts: Count,
  crashes: Count,
  soloCrashes: Count,
  progress: Type.Object({
    step: Count,
    steps: Count,
    etaSeconds: Type.Union([Type.Number(), Type.Null()]),
  }),
  worker: Type.Union([Type.String(), Type.Null()]),
  result: Type.Unknown(),
  failure: Type.Union([StoredFailure, Type.Null()]),
});
