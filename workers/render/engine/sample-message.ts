/** One image to render, as the supervisor orders it from the engine. All kinds, each with what it alone needs. */
import { Type, type Static } from 'typebox';
import { SAMPLER_NAMES } from '../../../src/contract/samplers.ts';
import { PREVIEW_KINDS, PRIORITIES } from '../../../src/domain/job.ts';

const Count = Type.Integer({ minimum: 0 });
const Sampler = Type.Enum(SAMPLER_NAMES);

export const Bytes = Type.Refine(Type.Unsafe<Uint8Array>({}), (value) => value instanceof Uint8Array);

const COMMON = {
  prompt: Type.String(),
  negativePrompt: Type.String(),
  width: Count,
  height: Count,
  steps: Count,
  guidanceScale: Type.Number(),
  guidanceRescale: Type.Number(),
  clipSkip: Count,
  eta: Type.Number(),
  seed: Count,
  sampler: Sampler,
};

/** A `SampleRequest` of the denoising loop, but for its pixels. */
const Request = Type.Union([
  Type.Object({ ...COMMON, kind: Type.Literal('txt2img') }),
  Type.Object({ ...COMMON, kind: Type.Literal('img2img'), strength: Type.Number() }),
  Type.Object({ ...COMMON, kind: Type.Literal('depth'), strength: Type.Number() }),
  Type.Object({
    ...COMMON,
    kind: Type.Literal('inpaint'),
    strength: Type.Number(),
    overlay: Type.Boolean(),
    cropPadding: Type.Union([Count, Type.Null()]),
  }),
  Type.Object({ ...COMMON, kind: Type.Literal('upscale'), noiseLevel: Count }),
]);

/**
 * PNG files, and a safetensors file of latents. The samples of a job hold the same arrays: a message carries an array once, however often it occurs, and
 * it arrives as one array again (the structured clone algorithm keeps identity), so that it is decoded once.
 */
const Inputs = Type.Object({
  image: Type.Optional(Bytes),
  mask: Type.Optional(Bytes),
  depthMap: Type.Optional(Bytes),
  /** What to go on from. */
  latents: Type.Optional(Bytes),
});

export const SampleMessage = Type.Object({
  /** Unique for each claim of a job and each of its images. */
  id: Type.String(),
  /** Of the first stage: its model and size. */
  lane: Type.String(),
  model: Type.String(),
  priority: Type.Enum(PRIORITIES),
  /** Runs alone: an engine died while its job was aboard. */
  solo: Type.Boolean(),
  request: Request,
  inputs: Inputs,
  /** The second of two stages; takes the first one's picture, prompts and seed. */
  upscale: Type.Union([
    Type.Object({
      model: Type.String(),
      steps: Count,
      guidanceScale: Type.Number(),
      noiseLevel: Count,
      sampler: Sampler,
    }),
    Type.Null(),
  ]),
  /** The sample shows what depth it saw, before its image. */
  wantsDepthMap: Type.Boolean(),
  preview: Type.Union([
    Type.Object({ every: Type.Integer({ minimum: 1 }), kind: Type.Enum(PREVIEW_KINDS) }),
    Type.Null(),
  ]),
  /** Calls after which it gives back its latents; null goes to the end, and gives back an image. */
  endStep: Type.Union([Count, Type.Null()]),
});

export type EngineSample = Static<typeof SampleMessage>;
export type SampleInputs = Static<typeof Inputs>;
