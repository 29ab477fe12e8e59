/** Reads what the cases of all tasks have in common: one request per seed. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TextToImageRequest } from '../../../workers/render/diffusion/sample-request.ts';
import type { GreyImage, RawImage, Size } from '../../../workers/render/image/raw-image.ts';
import { readInput } from '../../../workers/render/image/read-input.ts';
import { list, number, numbers, text, type Json } from '../json.ts';
import type { PipelineCase } from './task.ts';

export const COMMON_KEYS = [
  'seeds',
  'prompt',
  'negative_prompt',
  'num_inference_steps',
  'guidance_scale',
  'guidance_rescale',
  'clip_skip',
  'eta',
];

/** A request but for its size and what its kind needs. */
type Common = Omit<TextToImageRequest, 'kind' | 'width' | 'height'>;

/** One per seed; `i` numbers the images. */
export function commonRequests({ request, sampler }: PipelineCase): Common[] {
  const seeds = numbers(request['seeds']);
  const prompts = listOf(request['prompt']).map(text);
  const negativePrompts = listOf(request['negative_prompt'] ?? '').map(text);
  return seeds.map((seed, i) => ({
    seed,
    sampler,
    prompt: pick(prompts, i, seeds.length),
    negativePrompt: pick(negativePrompts, i, seeds.length),
    steps: number(request['num_inference_steps']),
    guidanceScale: number(request['guidance_scale']),
    guidanceRescale: number(request['guidance_rescale'] ?? 0),
    clipSkip: number(request['clip_skip'] ?? 0),
    eta: number(request['eta'] ?? 0),
  }));
}

/** One value may stand for all. */
function listOf(value: unknown): readonly unknown[] {
  return typeof value === 'string' ? [value] : list(value);
}

/** Several images per prompt or picture follow each other: 0, 0, 1, 1. */
function pick<T>(values: readonly T[], image: number, images: number): T {
  return values[Math.floor((image * values.length) / images)]!;
}

/** The pictures under a key, one per image; images of the same file share one object. */
export async function imagesOf(golden: PipelineCase, key: string): Promise<RawImage[]> {
  const files = await filesOf(golden, key);
  return perImage(golden, await Promise.all(files.map((png) => readInput(png, 'image'))));
}

export async function masksOf(golden: PipelineCase, key: string): Promise<GreyImage[]> {
  const files = await filesOf(golden, key);
  return perImage(golden, await Promise.all(files.map((png) => readInput(png, 'mask'))));
}

function filesOf({ folder, request }: PipelineCase, key: string): Promise<Uint8Array[]> {
  return Promise.all(listOf(request[key]).map((name) => readFile(join(folder, text(name)))));
}

function perImage<T>({ request }: PipelineCase, values: readonly T[]): T[] {
  const seeds = numbers(request['seeds']);
  return seeds.map((_, i) => pick(values, i, seeds.length));
}

/** What the case states, or else the picture's size, cut to whole cells. */
export function sizeOf(request: Json, picture: Size, cell: number): Size {
  const cut = (length: number): number => length - (length % cell);
  return {
    width: number(request['width'] ?? cut(picture.width)),
    height: number(request['height'] ?? cut(picture.height)),
  };
}
