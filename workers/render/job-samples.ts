/** From the parameters of a job to what the engine is asked for: one sample an image, and the inputs they need. */
import type { InputId, JobParams, JobRecord } from '../../src/domain/job.ts';
import { laneName } from '../../src/domain/lane.ts';
import { runsSolo } from '../../src/domain/retry.ts';
import type { EngineSample, SampleInputs } from './engine/sample-message.ts';

/** A sample without the bytes of its inputs, which are read after the claim. */
export type JobSample = Omit<EngineSample, 'inputs'>;

export interface NeededInput {
  /** In the engine's request, and as callers know it. */
  readonly name: keyof SampleInputs;
  readonly field: string;
  readonly id: InputId;
}

export function inputsOf(params: JobParams): NeededInput[] {
  const { startFrom } = params;
  const latents: NeededInput[] =
    startFrom === null ? [] : [{ name: 'latents', field: 'init_latent', id: startFrom.latents }];
  return [...imagesOf(params), ...latents];
}

function imagesOf(params: JobParams): NeededInput[] {
  switch (params.kind) {
    case 'txt2img':
      return [];
    case 'img2img':
    case 'upscale':
      return [{ name: 'image', field: 'image', id: params.image }];
    case 'depth': {
      const { image, depthMap } = params;
      const map: NeededInput[] =
        depthMap === null ? [] : [{ name: 'depthMap', field: 'depth_map', id: depthMap }];
      return [{ name: 'image', field: 'image', id: image }, ...map];
    }
    case 'inpaint':
      return [
        { name: 'image', field: 'image', id: params.image },
        { name: 'mask', field: 'mask', id: params.mask },
      ];
  }
}

/** `fence` is in the ids, so that a late word of an earlier run finds no sample. */
export function samplesOf(record: JobRecord, fence: number): JobSample[] {
  const { params } = record;
  const { model, priority } = params;
  return params.seeds.map((seed, n) => ({
    id: `${record.id}/${fence}/${n}`,
    // Not the lane of the job: the engine's lanes are of one stage each.
    lane: laneName({ model, width: params.width, height: params.height }),
    model,
    priority,
    solo: runsSolo(record),
    request: requestOf(params, seed),
    upscale: params.kind === 'txt2img' ? params.upscale : null,
    // All images of a job see the same depth.
    wantsDepthMap: params.kind === 'depth' && params.returnDepthMap && n === 0,
    preview: params.preview,
    endStep: params.endStep,
  }));
}

function requestOf(params: JobParams, seed: number): EngineSample['request'] {
  const common = {
    prompt: params.prompt,
    negativePrompt: params.negativePrompt,
    width: params.width,
    height: params.height,
    steps: params.steps,
    guidanceScale: params.guidanceScale,
    guidanceRescale: params.guidanceRescale,
    clipSkip: params.clipSkip,
    eta: params.eta,
    seed,
    sampler: params.sampler,
  };
  switch (params.kind) {
    case 'txt2img':
      return { ...common, kind: 'txt2img' };
    case 'img2img':
    case 'depth':
      return { ...common, kind: params.kind, strength: params.strength };
    case 'inpaint': {
      const { strength, overlay, cropPadding } = params;
      return { ...common, kind: 'inpaint', strength, overlay, cropPadding };
    }
    case 'upscale':
      return { ...common, kind: 'upscale', noiseLevel: params.noiseLevel };
  }
}
