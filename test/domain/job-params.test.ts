import { describe, expect, test } from 'vitest';
import type { CreateJob } from '../../src/contract/create-job.ts';
import { KilnError } from '../../src/domain/errors.ts';
import { inputsOf, toJobParams, type InputField, type InputImage } from '../../src/domain/job-params.ts';
import type { JobParams } from '../../src/domain/job.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import type { ModelOffer } from '../../src/domain/model-choice.ts';

const MODEL: ModelOffer = { name: 'base', kinds: [], defaultWidth: 128, defaultHeight: 64, refusal: null };
const REQUEST = { kind: 'txt2img', prompt: 'a lighthouse' } as const;
const PICTURE = { prompt: 'a lighthouse', image: 'up_1' } as const;

const neverDrawn = (): number => {
  throw new Error('a seed was drawn');
};

function paramsOf(
  request: CreateJob,
  given: { sizes?: Partial<Record<InputField, string>>; upscaler?: string; seed?: () => number } = {},
): JobParams {
  const inputs = inputsOf(request).map(([field, id]): [InputField, InputImage] => {
    const [width = 0, height = 0] = (given.sizes?.[field] ?? '256x256').split('x').map(Number);
    return [field, { id, width, height }];
  });
  return toJobParams(request, {
    models: {
      model: MODEL,
      upscaler: given.upscaler === undefined ? null : { ...MODEL, name: given.upscaler },
    },
    inputs: new Map(inputs),
    randomSeed: given.seed ?? (() => 42),
  });
}

function faultOf(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    if (error instanceof KilnError) return error.faults[0];
    throw error;
  }
  throw new Error('the request was taken');
}

describe('the parameters of any job', () => {
  test('have every default and the size of the model', () => {
    expect(paramsOf(REQUEST)).toEqual({
      kind: 'txt2img',
      model: 'base',
      prompt: 'a lighthouse',
      negativePrompt: '',
      width: 128,
      height: 64,
      steps: 20,
      guidanceScale: 7.5,
      guidanceRescale: 0,
      clipSkip: 0,
      eta: 0,
      seeds: [42],
      sampler: 'dpmpp_2m',
      priority: 'normal',
      output: { format: 'png', quality: 90 },
      metadata: {},
      webhook: null,
      bulk: null,
      preview: null,
      endStep: null,
      startFrom: null,
      upscale: null,
    });
  });

  test('keep everything that the request says, and no seed is drawn then', () => {
    const request: CreateJob = {
      ...REQUEST,
      negative_prompt: 'fog',
      width: 64,
      height: 72,
      steps: 3,
      guidance_scale: 0,
      guidance_rescale: 0.7,
      clip_skip: 2,
      seed: 0,
      sampler: 'ddim',
      eta: 0.5,
      images: 2,
      priority: 'bulk',
      output: { format: 'webp' },
      metadata: { row: '7' },
    };
    expect(paramsOf(request, { seed: neverDrawn })).toMatchObject({
      negativePrompt: 'fog',
      width: 64,
      height: 72,
      steps: 3,
      guidanceScale: 0,
      guidanceRescale: 0.7,
      clipSkip: 2,
      seeds: [0, 1],
      sampler: 'ddim',
      eta: 0.5,
      priority: 'bulk',
      output: { format: 'webp', quality: 90 },
      metadata: { row: '7' },
    });
  });

  test('count seeds up and wrap them round after the largest', () => {
    const { seeds } = paramsOf({ ...REQUEST, images: 4, seed: LIMITS.seedMax - 1 });
    expect(seeds).toEqual([LIMITS.seedMax - 1, LIMITS.seedMax, 0, 1]);
  });

  test('take chosen seeds as they are, one image for each', () => {
    expect(paramsOf({ ...REQUEST, seeds: [9, 3, 9] }, { seed: neverDrawn }).seeds).toEqual([9, 3, 9]);
  });
});

describe('the parameters of txt2img in two stages', () => {
  test('have the defaults of the upscaler for the second', () => {
    const stage = { steps: 50, guidanceScale: 9, noiseLevel: 20, sampler: 'ddim' };
    for (const upscale of [true, {}]) {
      expect(paramsOf({ ...REQUEST, upscale }, { upscaler: 'x4' })).toMatchObject({
        width: 128,
        height: 64,
        upscale: { model: 'x4', ...stage },
      });
    }
    expect(paramsOf({ ...REQUEST, upscale: false })).toMatchObject({ upscale: null });
  });

  test('keep what the request says of it', () => {
    const upscale = { steps: 5, guidance_scale: 4, noise_level: 0, sampler: 'euler' } as const;
    expect(paramsOf({ ...REQUEST, upscale }, { upscaler: 'x4' })).toMatchObject({
      steps: 20,
      sampler: 'dpmpp_2m',
      upscale: { steps: 5, guidanceScale: 4, noiseLevel: 0, sampler: 'euler' },
    });
  });
});

describe('the parameters of jobs on an image', () => {
  test('of img2img: 0.8 of the steps, at the size of the image', () => {
    expect(paramsOf({ kind: 'img2img', ...PICTURE }, { sizes: { image: '203x130' } })).toMatchObject({
      image: 'up_1',
      strength: 0.8,
      width: 200,
      height: 128,
    });
  });

  test('of depth: the map is estimated and kept unless the request says otherwise', () => {
    expect(paramsOf({ kind: 'depth', ...PICTURE })).toMatchObject({
      strength: 0.8,
      depthMap: null,
      returnDepthMap: false,
    });
    expect(paramsOf({ kind: 'depth', ...PICTURE, depth_map: null })).toMatchObject({ depthMap: null });
    const given = { depth_map: 'up_2', return_depth_map: true, strength: 1 };
    expect(paramsOf({ kind: 'depth', ...PICTURE, ...given })).toMatchObject({
      image: 'up_1',
      strength: 1,
      depthMap: 'up_2',
      returnDepthMap: true,
    });
  });

  test('of inpaint: all of the steps, on the whole image', () => {
    const request = { kind: 'inpaint', ...PICTURE, mask: 'up_2' } as const;
    expect(paramsOf(request, { sizes: { mask: '64x64' } })).toMatchObject({
      image: 'up_1',
      mask: 'up_2',
      strength: 1,
      overlay: false,
      cropPadding: null,
      width: 256,
      height: 256,
    });
  });

  test('of inpaint on a cropped area: the size of the model to work at, on a mask as large as the image', () => {
    const request = { kind: 'inpaint', ...PICTURE, mask: 'up_2', crop_padding: 0 } as const;
    expect(paramsOf(request)).toMatchObject({ cropPadding: 0, width: 128, height: 64 });
    expect(faultOf(() => paramsOf(request, { sizes: { mask: '256x255' } }))).toMatchObject({
      field: 'mask',
      value: '256x255',
      limit: '256x256',
    });
  });

  test('of upscale: 4 times the image, cut down to multiples of 4 before; the values of the published model', () => {
    expect(paramsOf({ kind: 'upscale', image: 'up_1' }, { sizes: { image: '131x70' } })).toMatchObject({
      prompt: '',
      steps: 50,
      guidanceScale: 9,
      sampler: 'ddim',
      noiseLevel: 20,
      width: 512,
      height: 272,
    });
  });

  test.each(['15x64', '64x15', '1025x64', '64x1025'])('of upscale: not of an image of %s', (size) => {
    expect(
      faultOf(() => paramsOf({ kind: 'upscale', image: 'x' }, { sizes: { image: size } })),
    ).toMatchObject({
      field: 'image',
      value: size,
      limit: '16x16 to 1024x1024',
    });
  });
});
