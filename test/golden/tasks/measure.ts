/** Renders the images of a case as one batch, and compares them. */
import { join } from 'node:path';
import type { SamplerName } from '../../../src/contract/samplers.ts';
import {
  decodePlanes,
  decodeSample,
  isDenoised,
  startSample,
  stepBatch,
  type Sample,
} from '../../../workers/render/diffusion/denoise.ts';
import type { LoadedModel } from '../../../workers/render/diffusion/loaded-model.ts';
import type { NoiseScheduleConfig } from '../../../workers/render/diffusion/noise-schedule.ts';
import { toUnitInterval } from '../../../workers/render/diffusion/rgb.ts';
import type { SampleRequest } from '../../../workers/render/diffusion/sample-request.ts';
import { ownSampler } from '../../../workers/render/diffusion/samplers/create-sampler.ts';
import { TextCache } from '../../../workers/render/diffusion/text-cache.ts';
import { loadModel } from '../../../workers/render/onnx/load-model.ts';
import { openSafetensors, readTensor } from '../../../workers/render/onnx/safetensors.ts';
import { maxAbsError } from '../files.ts';
import type { Measurement } from '../golden-case.ts';
import { text } from '../json.ts';
import type { PipelineCase, Task } from './task.ts';

const TEXT_CACHE_BYTES = 2 ** 20;
const WHITE = 255;
const FILLED_IN = 'timestep_spacing taken as not given: made before the model was saved';

/** Over all images of the case. */
export async function measureCase(task: Task, golden: PipelineCase): Promise<Measurement> {
  const model = await loadModel(golden.modelFolder, { device: { kind: 'cpu' }, profile: 'lean' });
  try {
    const out = await openSafetensors(join(golden.folder, text(golden.request['out'])));
    const expected = await readTensor(out, 'images');
    const requests = await task.requests(golden, model);
    const error = maxAbsError(await render(model, requests), expected);
    const other = withoutFilledInSpacing(model.noiseSchedule, golden.sampler);
    if (error <= golden.tolerance || other === null) return { error };
    const otherError = maxAbsError(await render({ ...model, noiseSchedule: other }, requests), expected);
    return otherError < error ? { error: otherError, note: FILLED_IN } : { error };
  } finally {
    await model.release();
  }
}

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
  for (const sample of samples) images.push(await imageOf(model, sample));
  return Float32Array.of(...images.flatMap((image) => [...image]));
}

/** `[H, W, 3]` in 0..1: as the decoder gives it, or in 8 bits where pixels are put back over it. */
async function imageOf(model: LoadedModel, sample: Sample): Promise<Float32Array> {
  if (sample.finish === null) return channelsLast(await decodePlanes(model, sample));
  const outcome = await decodeSample(model, sample);
  if (outcome.kind === 'failure') throw new Error(outcome.failure.message);
  return Float32Array.from(outcome.image.rgb, (value) => value / WHITE);
}

/** `[3, H, W]` about -1..1 -> `[H, W, 3]` in 0..1. */
function channelsLast(planes: Float32Array): Float32Array {
  const area = planes.length / 3;
  return planes.map((_, i) => toUnitInterval(planes[(i % 3) * area + Math.trunc(i / 3)]!));
}
