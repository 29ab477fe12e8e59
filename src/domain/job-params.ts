/** From a request that was checked, its models and its images to the parameters that are stored: every default filled. */
import type { CreateJob, CreateTxt2Img } from '../contract/create-job.ts';
import { KilnError } from './errors.ts';
import { sizeLike, upscaledSize, type Size } from './image-size.ts';
import type { InputId, JobParams, PreviewWish, UpscaleStage } from './job.ts';
import { JOB_DEFAULTS, STRENGTH_DEFAULTS, UPSCALE_DEFAULTS } from './job-defaults.ts';
import { startPoint, type LatentsInput } from './latents-start.ts';
import type { ChosenModels, ModelOffer } from './model-choice.ts';
import { countedUp } from './seeds.ts';
import type { JobWebhook } from './webhook.ts';

export type InputField = 'image' | 'mask' | 'depth_map';

/** An image that a request names or holds, once it is in the store. */
export interface InputImage extends Size {
  readonly id: InputId;
}

export interface JobMaterial {
  readonly models: ChosenModels;
  /** One for each of `inputsOf(request)`. */
  readonly inputs: ReadonlyMap<InputField, InputImage>;
  /** What `init_latent` names, when the request has one. */
  readonly latents?: LatentsInput;
  readonly randomSeed: () => number;
}

/** The images that a request names or holds. */
export function inputsOf(request: CreateJob): [field: InputField, value: string][] {
  switch (request.kind) {
    case 'txt2img':
      return [];
    case 'img2img':
    case 'upscale':
      return [['image', request.image]];
    case 'depth':
      return typeof request.depth_map === 'string'
        ? [
            ['image', request.image],
            ['depth_map', request.depth_map],
          ]
        : [['image', request.image]];
    case 'inpaint':
      return [
        ['image', request.image],
        ['mask', request.mask],
      ];
  }
}

/** Throws `invalid_request` when an image has a size that cannot be used, or latents are of another job. */
export function toJobParams(request: CreateJob, material: JobMaterial): JobParams {
  const params = freshParams(request, material);
  const startFrom = startPoint(request, params, material.latents);
  return startFrom === null ? params : { ...params, startFrom };
}

/** Those of the job if it started at the first step. */
function freshParams(request: CreateJob, material: JobMaterial): JobParams {
  const { model, upscaler } = material.models;
  const common = commonParams(request, material);
  switch (request.kind) {
    case 'txt2img': {
      const size = sizeOfModel(model, request);
      return { ...common, kind: request.kind, ...size, upscale: stageOf(request, upscaler) };
    }
    case 'img2img': {
      const image = inputOf(material, 'image');
      const { strength = STRENGTH_DEFAULTS.img2img } = request;
      return { ...common, kind: request.kind, ...sizeLike(image, request), image: image.id, strength };
    }
    case 'depth': {
      const image = inputOf(material, 'image');
      return {
        ...common,
        kind: request.kind,
        ...sizeLike(image, request),
        image: image.id,
        strength: request.strength ?? STRENGTH_DEFAULTS.depth,
        depthMap: material.inputs.get('depth_map')?.id ?? null,
        returnDepthMap: request.return_depth_map ?? JOB_DEFAULTS.returnDepthMap,
      };
    }
    case 'inpaint': {
      const image = inputOf(material, 'image');
      const mask = inputOf(material, 'mask');
      const cropPadding = request.crop_padding ?? null;
      if (cropPadding !== null) checkEqualSize(image, mask);
      return {
        ...common,
        kind: request.kind,
        ...(cropPadding === null ? sizeLike(image, request) : sizeOfModel(model, request)),
        image: image.id,
        mask: mask.id,
        strength: request.strength ?? STRENGTH_DEFAULTS.inpaint,
        overlay: request.overlay ?? JOB_DEFAULTS.overlay,
        cropPadding,
      };
    }
    case 'upscale': {
      const image = inputOf(material, 'image');
      const noiseLevel = request.noise_level ?? UPSCALE_DEFAULTS.noiseLevel;
      return { ...common, kind: request.kind, ...upscaledSize(image), image: image.id, noiseLevel };
    }
  }
}

function commonParams(request: CreateJob, { models, latents, randomSeed }: JobMaterial) {
  const defaults = request.kind === 'upscale' ? UPSCALE_DEFAULTS : JOB_DEFAULTS;
  const firstSeed = (): number => request.seed ?? latents?.facts.seed ?? randomSeed();
  return {
    model: models.model.name,
    prompt: request.prompt ?? UPSCALE_DEFAULTS.prompt,
    negativePrompt: request.negative_prompt ?? JOB_DEFAULTS.negativePrompt,
    steps: request.steps ?? defaults.steps,
    guidanceScale: request.guidance_scale ?? defaults.guidanceScale,
    guidanceRescale: request.guidance_rescale ?? JOB_DEFAULTS.guidanceRescale,
    clipSkip: request.clip_skip ?? JOB_DEFAULTS.clipSkip,
    eta: request.eta ?? JOB_DEFAULTS.eta,
    seeds: request.seeds ?? countedUp(firstSeed(), request.images ?? JOB_DEFAULTS.images),
    sampler: request.sampler ?? defaults.sampler,
    priority: request.priority ?? JOB_DEFAULTS.priority,
    output: {
      format: request.output?.format ?? JOB_DEFAULTS.format,
      quality: request.output?.quality ?? JOB_DEFAULTS.quality,
    },
    metadata: request.metadata ?? {},
    webhook: webhookOf(request),
    bulk: null,
    preview: previewOf(request),
    endStep: request.end_step ?? null,
    startFrom: null,
  };
}

function previewOf({ preview = null }: CreateJob): PreviewWish | null {
  return preview === null ? null : { ...JOB_DEFAULTS.preview, ...preview };
}

function webhookOf({ webhook = null }: CreateJob): JobWebhook | null {
  if (webhook === null) return null;
  return { url: webhook.url, events: webhook.events ?? JOB_DEFAULTS.webhookEvents };
}

function stageOf({ upscale = false }: CreateTxt2Img, upscaler: ModelOffer | null): UpscaleStage | null {
  if (upscale === false || upscaler === null) return null;
  const asked = upscale === true ? {} : upscale;
  return {
    model: upscaler.name,
    steps: asked.steps ?? UPSCALE_DEFAULTS.steps,
    guidanceScale: asked.guidance_scale ?? UPSCALE_DEFAULTS.guidanceScale,
    noiseLevel: asked.noise_level ?? UPSCALE_DEFAULTS.noiseLevel,
    sampler: asked.sampler ?? UPSCALE_DEFAULTS.sampler,
  };
}

function inputOf({ inputs }: JobMaterial, field: InputField): InputImage {
  const input = inputs.get(field);
  if (input === undefined) throw new Error(`${field} was not resolved before the parameters were made`);
  return input;
}

function sizeOfModel(model: ModelOffer, asked: { width?: number; height?: number }): Size {
  return { width: asked.width ?? model.defaultWidth, height: asked.height ?? model.defaultHeight };
}

/** The area to crop is found on the mask and cut out of the image: pixel for pixel. */
function checkEqualSize(image: Size, mask: Size): void {
  if (mask.width === image.width && mask.height === image.height) return;
  const [value, limit] = [`${mask.width}x${mask.height}`, `${image.width}x${image.height}`];
  const message = `has ${value} pixels; with crop_padding it must have ${limit}, as the image has`;
  const faults = [{ field: 'mask', value, limit, message }];
  throw new KilnError('invalid_request', 'The mask does not lie on the image', { faults });
}
