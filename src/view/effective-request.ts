import type { EffectiveRequest } from '../contract/effective-request.ts';
import type { JobParams, UpscaleStage } from '../domain/job.ts';
import { countedUp } from '../domain/seeds.ts';

/** The request that stands for these parameters; sent again it makes the same images. */
export function effectiveRequest(params: JobParams): EffectiveRequest {
  const common = commonFields(params);
  const size = { width: params.width, height: params.height };
  switch (params.kind) {
    case 'txt2img':
      return { kind: params.kind, ...common, ...size, upscale: stageFields(params.upscale) };
    case 'img2img': {
      const { kind, image, strength } = params;
      return { kind, ...common, ...size, image, strength };
    }
    case 'depth': {
      const { kind, image, strength } = params;
      const maps = { depth_map: params.depthMap, return_depth_map: params.returnDepthMap };
      return { kind, ...common, ...size, image, strength, ...maps };
    }
    case 'inpaint': {
      const { kind, image, mask, strength, overlay, cropPadding } = params;
      return { kind, ...common, ...size, image, mask, strength, overlay, crop_padding: cropPadding };
    }
    case 'upscale':
      // Its size follows from the image.
      return { kind: params.kind, ...common, image: params.image, noise_level: params.noiseLevel };
  }
}

function commonFields(params: JobParams) {
  return {
    prompt: params.prompt,
    negative_prompt: params.negativePrompt,
    model: params.model,
    steps: params.steps,
    guidance_scale: params.guidanceScale,
    guidance_rescale: params.guidanceRescale,
    clip_skip: params.clipSkip,
    sampler: params.sampler,
    eta: params.eta,
    ...seedFields(params.seeds),
    images: params.seeds.length,
    priority: params.priority,
    output: params.output,
    metadata: params.metadata,
    webhook: params.webhook,
    preview: params.preview,
    end_step: params.endStep,
    init_latent: params.startFrom?.latents ?? null,
    start_step: params.startFrom?.step ?? null,
  };
}

/** One seed says it all when the others count up from it, as they do unless the caller chose each. */
function seedFields(seeds: readonly number[]): { seed: number } | { seeds: number[] } {
  const [seed] = seeds;
  if (seed === undefined) return { seeds: [] };
  const expected = countedUp(seed, seeds.length);
  return seeds.every((one, n) => one === expected[n]) ? { seed } : { seeds: [...seeds] };
}

function stageFields(stage: UpscaleStage | null) {
  if (stage === null) return false;
  const { model, steps, guidanceScale, noiseLevel, sampler } = stage;
  return { model, steps, guidance_scale: guidanceScale, noise_level: noiseLevel, sampler };
}
