/**
 * Requests with every default filled in, as answers show them: each is itself a valid request that makes the same
 * images again. Bounds are not repeated: a job taken under the bounds of its day is shown as it is.
 */
import { Type, type Static } from 'typebox';
import { OUTPUT_FORMATS, PREVIEW_KINDS, PRIORITIES } from '../domain/job.ts';
import { Metadata } from './job-fields.ts';
import { nullable } from './nullable.ts';
import { SAMPLER_NAMES } from './samplers.ts';
import { JobWebhookField } from './webhook.ts';

const CLOSED = { additionalProperties: false } as const;

const Sampler = Type.Enum(SAMPLER_NAMES);
const UploadId = Type.String({ description: 'The id of an upload' });
const SIZE = { width: Type.Integer(), height: Type.Integer() };

const COMMON = {
  prompt: Type.String(),
  negative_prompt: Type.String(),
  model: Type.String(),
  steps: Type.Integer(),
  guidance_scale: Type.Number(),
  guidance_rescale: Type.Number(),
  clip_skip: Type.Integer(),
  sampler: Sampler,
  eta: Type.Number(),
  seed: Type.Optional(Type.Integer({ description: 'Of the first image, when the others count up from it' })),
  seeds: Type.Optional(Type.Array(Type.Integer(), { description: 'When they do not' })),
  images: Type.Integer(),
  priority: Type.Enum(PRIORITIES),
  output: Type.Object({ format: Type.Enum(OUTPUT_FORMATS), quality: Type.Integer() }, CLOSED),
  metadata: Metadata,
  webhook: JobWebhookField,
  preview: Type.Union([
    Type.Object({ every: Type.Integer(), kind: Type.Enum(PREVIEW_KINDS) }, CLOSED),
    Type.Null(),
  ]),
  end_step: nullable('integer'),
  init_latent: nullable('string', { description: 'The id that the latents are kept under' }),
  start_step: nullable('integer'),
};

const EffectiveStage = Type.Object(
  {
    model: Type.String(),
    steps: Type.Integer(),
    guidance_scale: Type.Number(),
    noise_level: Type.Integer(),
    sampler: Sampler,
  },
  CLOSED,
);

const EffectiveTxt2Img = Type.Object(
  {
    kind: Type.Literal('txt2img'),
    ...COMMON,
    ...SIZE,
    upscale: Type.Union([Type.Literal(false), EffectiveStage]),
  },
  { $id: 'EffectiveTxt2Img', ...CLOSED },
);

const EffectiveImg2Img = Type.Object(
  { kind: Type.Literal('img2img'), ...COMMON, image: UploadId, strength: Type.Number(), ...SIZE },
  { $id: 'EffectiveImg2Img', ...CLOSED },
);

const EffectiveDepth = Type.Object(
  {
    kind: Type.Literal('depth'),
    ...COMMON,
    image: UploadId,
    strength: Type.Number(),
    depth_map: nullable('string', { description: 'The id of an upload; null: estimated from the image' }),
    return_depth_map: Type.Boolean(),
    ...SIZE,
  },
  { $id: 'EffectiveDepth', ...CLOSED },
);

const EffectiveInpaint = Type.Object(
  {
    kind: Type.Literal('inpaint'),
    ...COMMON,
    image: UploadId,
    mask: UploadId,
    strength: Type.Number(),
    overlay: Type.Boolean(),
    crop_padding: nullable('integer', { description: 'Null: works on the whole image' }),
    ...SIZE,
  },
  { $id: 'EffectiveInpaint', ...CLOSED },
);

const EffectiveUpscale = Type.Object(
  { kind: Type.Literal('upscale'), ...COMMON, image: UploadId, noise_level: Type.Integer() },
  { $id: 'EffectiveUpscale', ...CLOSED },
);

export type EffectiveRequest =
  | Static<typeof EffectiveTxt2Img>
  | Static<typeof EffectiveImg2Img>
  | Static<typeof EffectiveDepth>
  | Static<typeof EffectiveInpaint>
  | Static<typeof EffectiveUpscale>;

export const EffectiveRequest = Type.Unsafe<EffectiveRequest>({
  $id: 'EffectiveRequest',
  description: 'With every default filled in: a valid request that makes the same images again',
  discriminator: { propertyName: 'kind' },
  oneOf: [EffectiveTxt2Img, EffectiveImg2Img, EffectiveDepth, EffectiveInpaint, EffectiveUpscale],
});
