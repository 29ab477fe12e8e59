/** The fields of a request for a job, each with its bounds and what it means. */
import { Type, type TUnsafe } from 'typebox';
import {
  OUTPUT_FORMATS,
  PREVIEW_KINDS,
  PRIORITIES,
  type PreviewKind,
  type PreviewWish,
} from '../domain/job.ts';
import { JOB_DEFAULTS } from '../domain/job-defaults.ts';
import { LIMITS } from '../domain/limits.ts';
import { nullable } from './nullable.ts';
import { SAMPLER_NAMES, type SamplerName } from './samplers.ts';
import { JobWebhookField } from './webhook.ts';

const CLOSED = { additionalProperties: false } as const;
const MiB = 1_024 * 1_024;

const PROMPT = {
  maxLength: LIMITS.promptChars,
  description: 'Unicode; control characters other than tab and line feed are refused. CLIP reads 75 tokens',
};

export const Prompt = Type.String({ minLength: 1, ...PROMPT });
export const PromptOrNone = Type.String(PROMPT);

export const ModelName = Type.String({
  minLength: 1,
  maxLength: LIMITS.modelChars,
  description:
    'See GET /v1/models. When absent: the default model if it can do this kind, else the first that can',
});

export const Steps = Type.Integer({ minimum: 1, maximum: LIMITS.stepsMax });
export const GuidanceScale = Type.Number({
  minimum: 0,
  maximum: LIMITS.guidanceScaleMax,
  description: '1 or less turns guidance off, and a sample then costs half',
});
export const SamplerChoice = Type.Enum(SAMPLER_NAMES, { description: 'See GET /v1/samplers' });

const Seed = Type.Integer({ minimum: 0, maximum: LIMITS.seedMax });

/** Written as plain JSON Schema: a TypeBox record would match its keys by `.*`, which no key with a line feed fits. */
export const Metadata = Type.Unsafe<Record<string, string>>({
  type: 'object',
  propertyNames: { maxLength: LIMITS.metadataKeyChars },
  additionalProperties: { type: 'string', maxLength: LIMITS.metadataValueChars },
  maxProperties: LIMITS.metadataKeys,
  description: 'Your own labels, given back with the job',
});

const Output = Type.Object(
  {
    format: Type.Optional(Type.Enum(OUTPUT_FORMATS, { default: JOB_DEFAULTS.format })),
    quality: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 100,
        default: JOB_DEFAULTS.quality,
        description: 'Of jpeg and webp; png has no loss',
      }),
    ),
  },
  CLOSED,
);

/** Which part of the way is walked. */
const SPAN = {
  end_step: Type.Optional(
    nullable('integer', {
      minimum: 1,
      maximum: LIMITS.stepsMax + 1,
      description:
        'Stops after so many steps, counted over the whole way, and hands out latents instead of images',
    }),
  ),
  init_latent: Type.Optional(
    nullable('string', {
      maxLength: LIMITS.latentsNameChars,
      description:
        'Latents to go on from: job_<id>/<n>, the n-th of a job that stopped at its end_step. Kind, size, sampler, steps, ' +
        'strength and eta must be those of that job; with the same prompt, the image is the one it would have become',
    }),
  ),
  start_step: Type.Optional(
    nullable('integer', {
      minimum: 0,
      maximum: LIMITS.stepsMax + 1,
      description: 'Steps that lie behind init_latent; it says so itself, so this may be left out',
    }),
  ),
};

/** What a request of any kind may have. The defaults of some differ by kind. */
export function commonFields(defaults: { steps: number; guidanceScale: number; sampler: SamplerName }) {
  return {
    negative_prompt: Type.Optional(Type.String({ ...PROMPT, default: JOB_DEFAULTS.negativePrompt })),
    model: Type.Optional(ModelName),
    steps: Type.Optional({ ...Steps, default: defaults.steps }),
    guidance_scale: Type.Optional({ ...GuidanceScale, default: defaults.guidanceScale }),
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
    sampler: Type.Optional({ ...SamplerChoice, default: defaults.sampler }),
    eta: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 1,
        default: JOB_DEFAULTS.eta,
        description:
          'Noise that the sampler ddim adds on the way, from none to as much as ddpm; 0 with any other',
      }),
    ),
    seed: Type.Optional({ ...Seed, description: 'Image n uses seed + n; random when absent' }),
    seeds: Type.Optional(
      Type.Array(Seed, {
        minItems: 1,
        maxItems: LIMITS.imagesMax,
        description: 'One seed for each image, instead of seed',
      }),
    ),
    images: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: LIMITS.imagesMax,
        default: JOB_DEFAULTS.images,
        description: 'How many to make; with seeds, as many as there are',
      }),
    ),
    priority: Type.Optional(Type.Enum(PRIORITIES, { default: JOB_DEFAULTS.priority })),
    output: Type.Optional(Output),
    metadata: Type.Optional(Metadata),
    webhook: Type.Optional(JobWebhookField),
    preview: Type.Optional(previewField(PREVIEW_KINDS)),
    ...SPAN,
  };
}

/** One `type` list instead of a union: a fault then names the field once, not once for every branch. */
export function previewField(kinds: readonly PreviewKind[]): TUnsafe<Partial<PreviewWish> | null> {
  const { every, kind } = JOB_DEFAULTS.preview;
  return Type.Unsafe<Partial<PreviewWish> | null>({
    type: ['object', 'null'],
    properties: {
      every: {
        type: 'integer',
        minimum: 1,
        maximum: LIMITS.stepsMax,
        default: every,
        description: 'Steps from one to the next; the first step is shown in any case',
      },
      kind: {
        type: 'string',
        enum: [...kinds],
        default: kind,
        description: 'fast: small, for next to nothing. full: decoded, for the time that decoding takes',
      },
    },
    ...CLOSED,
    description: 'Shows the images on their way at GET /v1/jobs/{id}/events. It changes nothing about them',
  });
}

/** `width` and `height`, optional; the text says what they are when absent. */
export function sizeFields(whenAbsent: string) {
  const side = Type.Integer({
    minimum: LIMITS.sideMin,
    maximum: LIMITS.sideMax,
    multipleOf: LIMITS.sideMultiple,
    description: `Pixels. When absent: ${whenAbsent}`,
  });
  return { width: Type.Optional(side), height: Type.Optional(side) };
}

const IMAGE = {
  minLength: 1,
  maxLength: LIMITS.inlineImageChars,
};
const IMAGE_FORMS =
  'The id of an upload, a data: URL, base64, or an https URL; inside the request at most ' +
  `${LIMITS.inlineImageBytes / MiB} MiB`;

/** A string that names or holds an image. */
export function imageField(role: string) {
  return Type.String({ ...IMAGE, description: `${role}. ${IMAGE_FORMS}` });
}

/** One `type` list instead of a union: a fault then names the field once, not once for every branch. */
export function optionalImageField(role: string): TUnsafe<string | null> {
  return Type.Unsafe<string | null>({
    type: ['string', 'null'],
    ...IMAGE,
    description: `${role}. ${IMAGE_FORMS}`,
  });
}

export function strengthField(value: number) {
  return Type.Optional(
    Type.Number({
      exclusiveMinimum: 0,
      maximum: 1,
      default: value,
      description:
        'How much of the image may change: the share of the steps that are run, trunc(steps x strength), at least one',
    }),
  );
}

export const NoiseLevel = Type.Integer({
  minimum: 0,
  maximum: LIMITS.noiseLevelMax,
  description: 'Noise added to the small image; more lets the model invent more detail',
});
