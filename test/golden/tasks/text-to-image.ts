/** Text-to-image cases: all images of a case run as one batch. */
import { join } from 'node:path';
import type { SamplerName } from '../../../src/contract/samplers.ts';
import {
  decodePlanes,
  isDenoised,
  startSample,
  stepBatch,
  type Sample,
} from '../../../workers/render/diffusion/denoise.ts';
import type { LoadedModel } from '../../../workers/render/diffusion/loaded-model.ts';
import type { NoiseScheduleConfig } from '../../../workers/render/diffusion/noise-schedule.ts';
import { ownSampler } from '../../../workers/render/diffusion/samplers/create-sampler.ts';
import type { SampleRequest } from '../../../workers/render/diffusion/sample-request.ts';
import { toUnitInterval } from '../../../workers/render/diffusion/rgb.ts';
import { TextCache } from '../../../workers/render/diffusion/text-cache.ts';
import { loadModel } from '../../../workers/render/onnx/load-model.ts';
import { openSafetensors, readTensor } from '../../../workers/render/onnx/safetensors.ts';
import { maxAbsError } from '../files.ts';
import { list, number, numbers, text } from '../json.ts';
import type { PipelineCase, Task } from './task.ts';

const TEXT_CACHE_BYTES = 2 ** 20;
const FILLED_IN = 'timestep_spacing taken as not given: made before the model was saved';

export const textToImage: Task = {
  keys: [
    'seeds',
    'prompt',
    'negative_prompt',
    'height',
    'width',
    'num_inference_steps',
    'guidance_scale',
    'guidance_rescale',
    'clip_skip',
  ],
  async measure(golden) {
    const model = await loadModel(golden.modelFolder, { device: { kind: 'cpu' }, profile: 'lean' });
    try {
      const out = await openSafetensors(join(golden.folder, text(golden.request['out'])));
      const expected = await readTensor(out, 'images');
      const requests = sampleRequests(golden);
      const error = maxAbsError(await render(model, requests), expected);
      const other = withoutFilledInSpacing(model.noiseSchedule, golden.sampler);
      if (error <= golden.tolerance || other === null) return { error };
      const otherError = maxAbsError(await render({ ...model, noiseSchedule: other }, requests), expected);
      return otherError < error ? { error: otherError, note: FILLED_IN } : { error };
    } finally {
      await model.release();
    }
  },
};

/**
 * diffusers carries a key from one sampler to another only if it was given, but writes all keys, given or not, when
 * it saves. Images that were made from a schedule still in memory follow its file without the keys that saving
 * filled in; images made after loading follow the file as it is, and so does Kiln. A case does not tell which.
 */
function withoutFilledInSpacing(
  config: NoiseScheduleConfig,
  sampler: SamplerName,
): NoiseScheduleConfig | null {
  const mayBeFilledIn = ownSampler(config) !== sampler && config.timestepSpacing === 'leading';
  return mayBeFilledIn ? { ...config, timestepSpacing: null } : null;
}

function sampleRequests({ request, sampler }: PipelineCase): SampleRequest[] {
  const seeds = numbers(request['seeds']);
  const prompts = texts(request['prompt']);
  const negativePrompts = texts(request['negative_prompt'] ?? '');
  return seeds.map((seed, i) => ({
    kind: 'txt2img' as const,
    seed,
    sampler,
    eta: number(request['eta'] ?? 0),
    prompt: pick(prompts, i, seeds.length),
    negativePrompt: pick(negativePrompts, i, seeds.length),
    height: number(request['height']),
    width: number(request['width']),
    steps: number(request['num_inference_steps']),
    guidanceScale: number(request['guidance_scale']),
    guidanceRescale: number(request['guidance_rescale'] ?? 0),
    clipSkip: number(request['clip_skip'] ?? 0),
  }));
}

function texts(value: unknown): readonly string[] {
  return typeof value === 'string' ? [value] : list(value).map(text);
}

/** Several images per prompt follow each other: p0, p0, p1, p1. */
function pick(values: readonly string[], image: number, images: number): string {
  return values[Math.floor((image * values.length) / images)]!;
}

/** -> `[n, H, W, 3]` in 0..1. */
async function render(model: LoadedModel, requests: readonly SampleRequest[]): Promise<Float32Array> {
  const texts = new TextCache(TEXT_CACHE_BYTES);
  const samples: Sample[] = [];
  for (const request of requests) samples.push(await startSample(model, request, texts));
  while (!samples.every(isDenoised)) {
    await stepBatch(model, samples);
    const failed = samples.find((sample) => sample.failure !== null);
    if (failed?.failure) throw new Error(failed.failure.message);
  }
  const images: Float32Array[] = [];
  for (const sample of samples) images.push(channelsLast(await decodePlanes(model, sample)));
  return Float32Array.of(...images.flatMap((image) => [...image]));
}

/** `[3, H, W]` about -1..1 -> `[H, W, 3]` in 0..1. */
function channelsLast(planes: Float32Array): Float32Array {
  const area = planes.length / 3;
  return planes.map((_, i) => toUnitInterval(planes[(i % 3) * area + Math.trunc(i / 3)]!));
}
