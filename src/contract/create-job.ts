/** What a caller sends to make a job: one shape for each kind, told apart by `kind`. */
import { Type, type Static, type TSchema } from 'typebox';
import { JOB_KINDS, type JobKind } from '../domain/job.ts';
import { JOB_DEFAULTS, STRENGTH_DEFAULTS, UPSCALE_DEFAULTS } from '../domain/job-defaults.ts';
import { LIMITS } from '../domain/limits.ts';
import {
  GuidanceScale,
  ModelName,
  NoiseLevel,
  Prompt,
  PromptOrNone,
  SamplerChoice,
  Steps,
  commonFields,
  imageField,
  optionalImageField,
  previewField,
  sizeFields,
  strengthField,
} from './job-fields.ts';

const CLOSED = { additionalProperties: false } as const;

const COMMON = commonFields(JOB_DEFAULTS);
const SIZE_OF_IMAGE = sizeFields(
  `that of the image, scaled into ${LIMITS.sideMin} to ${LIMITS.sideMax} and cut down to multiples of ` +
    `${LIMITS.sideMultiple}; with only one of the two given, the other keeps the image's shape`,
);

const StageFields = Type.Object({
  model: Type.Optional({
    ...ModelName,
    description: 'A model of the kind upscale; when absent the first, by name',
  }),
  steps: Type.Optional({ ...Steps, default: UPSCALE_DEFAULTS.steps }),
  guidance_scale: Type.Optional({ ...GuidanceScale, default: UPSCALE_DEFAULTS.guidanceScale }),
  noise_level: Type.Optional({ ...NoiseLevel, default: UPSCALE_DEFAULTS.noiseLevel }),
  sampler: Type.Optional({ ...SamplerChoice, default: UPSCALE_DEFAULTS.sampler }),
});

/** One `type` list instead of a union: a fault then names the field once, not once for every branch. */
const Stage = Type.Unsafe<boolean | Static<typeof StageFields>>({
  type: ['boolean', 'object'],
  properties: StageFields.properties,
  ...CLOSED,
  default: false,
  description:
    'A second stage that makes the image 4 times as wide and as high, with the same prompt and seed',
});

export const CreateTxt2Img = Type.Object(
  {
    kind: Type.Literal('txt2img'),
    prompt: Prompt,
    ...sizeFields("the model's own size"),
    upscale: Type.Optional(Stage),
    ...COMMON,
  },
  { $id: 'CreateTxt2Img', description: 'Images from a prompt', ...CLOSED },
);
export type CreateTxt2Img = Static<typeof CreateTxt2Img>;

const CreateImg2Img = Type.Object(
  {
    kind: Type.Literal('img2img'),
    prompt: Prompt,
    image: imageField('What to start from'),
    strength: strengthField(STRENGTH_DEFAULTS.img2img),
    ...SIZE_OF_IMAGE,
    ...COMMON,
  },
  { $id: 'CreateImg2Img', description: 'Images that start from another', ...CLOSED },
);

const CreateDepth = Type.Object(
  {
    kind: Type.Literal('depth'),
    prompt: Prompt,
    image: imageField('What to start from'),
    strength: strengthField(STRENGTH_DEFAULTS.depth),
    depth_map: Type.Optional(
      optionalImageField('Depth to keep, light is near; the model estimates it from the image when absent'),
    ),
    return_depth_map: Type.Optional(
      Type.Boolean({
        default: JOB_DEFAULTS.returnDepthMap,
        description: 'Give back the depth map that was used, as a PNG of 16 bits',
      }),
    ),
    ...SIZE_OF_IMAGE,
    ...COMMON,
  },
  { $id: 'CreateDepth', description: 'Images that keep the depth of another', ...CLOSED },
);

const CropPadding = Type.Unsafe<number | null>({
  type: ['integer', 'null'],
  minimum: 0,
  maximum: LIMITS.cropPaddingMax,
  description:
    'Work on the masked area alone, with so many pixels round it, at the size given by width and height (when absent ' +
    "the model's own), and put the result back into the image. The mask must be as large as the image",
});

const CreateInpaint = Type.Object(
  {
    kind: Type.Literal('inpaint'),
    prompt: Prompt,
    image: imageField('What to paint on'),
    mask: imageField('Where to paint: white is painted anew, black is kept'),
    strength: strengthField(STRENGTH_DEFAULTS.inpaint),
    overlay: Type.Optional(
      Type.Boolean({
        default: JOB_DEFAULTS.overlay,
        description: 'Put the pixels outside the mask back, which else change a little on the way',
      }),
    ),
    crop_padding: Type.Optional(CropPadding),
    ...SIZE_OF_IMAGE,
    ...COMMON,
  },
  { $id: 'CreateInpaint', description: 'Paints a part of an image anew', ...CLOSED },
);

const CreateUpscale = Type.Object(
  {
    kind: Type.Literal('upscale'),
    prompt: Type.Optional({ ...PromptOrNone, default: UPSCALE_DEFAULTS.prompt }),
    image: imageField(
      `What to enlarge: sides of ${LIMITS.upscaleSideMin} to ${LIMITS.upscaleSideMax} pixels, cut down to multiples of 4`,
    ),
    noise_level: Type.Optional({ ...NoiseLevel, default: UPSCALE_DEFAULTS.noiseLevel }),
    ...commonFields(UPSCALE_DEFAULTS),
    // Its picture is too large to be decoded for a look.
    preview: Type.Optional(previewField(['fast'])),
  },
  { $id: 'CreateUpscale', description: 'Makes an image 4 times as wide and as high', ...CLOSED },
);

export type CreateJob =
  | CreateTxt2Img
  | Static<typeof CreateImg2Img>
  | Static<typeof CreateDepth>
  | Static<typeof CreateInpaint>
  | Static<typeof CreateUpscale>;

export const CREATE_JOB_BY_KIND = {
  txt2img: CreateTxt2Img,
  img2img: CreateImg2Img,
  depth: CreateDepth,
  inpaint: CreateInpaint,
  upscale: CreateUpscale,
} as const satisfies Record<JobKind, TSchema>;

/** `kind` is listed at the top too, so that an unknown one is told which there are. */
export const CreateJob = Type.Unsafe<CreateJob>({
  $id: 'CreateJob',
  type: 'object',
  properties: { kind: Type.Enum(JOB_KINDS) },
  required: ['kind'],
  discriminator: { propertyName: 'kind' },
  oneOf: Object.values(CREATE_JOB_BY_KIND),
});
