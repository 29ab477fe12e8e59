import { describe, expect, test } from 'vitest';
import type { CreateJob } from '../../src/contract/job.ts';
import { KilnError } from '../../src/domain/errors.ts';
import { toJobParams, type Offers } from '../../src/domain/job-params.ts';
import { LIMITS } from '../../src/domain/limits.ts';

const OFFERS: Offers = {
  models: [
    { name: 'pocket-base', kinds: ['txt2img'], defaultWidth: 128, defaultHeight: 64 },
    { name: 'upscaler', kinds: ['upscale'], defaultWidth: 512, defaultHeight: 512 },
  ],
  defaultModel: 'pocket-base',
};
const REQUEST: CreateJob = { kind: 'txt2img', prompt: 'a lighthouse' };
const neverDrawn = (): number => {
  throw new Error('a seed was drawn');
};

function refusal(request: CreateJob, offers: Offers = OFFERS): KilnError {
  try {
    toJobParams(request, offers, () => 1);
  } catch (error) {
    if (error instanceof KilnError) return error;
    throw error;
  }
  throw new Error('the request was taken');
}

describe('toJobParams', () => {
  test('fills in the defaults and the size of the model', () => {
    expect(toJobParams(REQUEST, OFFERS, () => 42)).toEqual({
      kind: 'txt2img',
      model: 'pocket-base',
      prompt: 'a lighthouse',
      negativePrompt: '',
      width: 128,
      height: 64,
      steps: 20,
      guidanceScale: 7.5,
      guidanceRescale: 0,
      clipSkip: 0,
      eta: 0,
      upscale: null,
      seeds: [42],
      sampler: 'dpmpp_2m',
      priority: 'normal',
      output: { format: 'png', quality: 90 },
      metadata: {},
    });
  });

  test('keeps everything that the request says, and draws no seed then', () => {
    const request: CreateJob = {
      ...REQUEST,
      negative_prompt: 'fog',
      model: 'pocket-base',
      width: 64,
      height: 72,
      steps: 3,
      guidance_scale: 0,
      guidance_rescale: 0.7,
      clip_skip: 2,
      seed: 0,
      sampler: 'euler',
      images: 2,
      priority: 'bulk',
      output: { format: 'webp' },
      metadata: { row: '7' },
    };
    expect(toJobParams(request, OFFERS, neverDrawn)).toMatchObject({
      negativePrompt: 'fog',
      width: 64,
      height: 72,
      steps: 3,
      guidanceScale: 0,
      guidanceRescale: 0.7,
      clipSkip: 2,
      seeds: [0, 1],
      sampler: 'euler',
      priority: 'bulk',
      output: { format: 'webp', quality: 90 },
      metadata: { row: '7' },
    });
  });

  test('counts seeds up and wraps them round after the largest', () => {
    const request = { ...REQUEST, images: 4, seed: LIMITS.seedMax - 1 };
    expect(toJobParams(request, OFFERS, neverDrawn).seeds).toEqual([
      LIMITS.seedMax - 1,
      LIMITS.seedMax,
      0,
      1,
    ]);
  });

  test('names the models there are when the one asked for is not offered', () => {
    const error = refusal({ ...REQUEST, model: 'sd-9' });
    expect(error.code).toBe('unknown_model');
    expect(error.message).toContain('sd-9');
    expect(error.faults).toEqual([
      { field: 'model', value: 'sd-9', limit: ['pocket-base'], message: 'must be one of: pocket-base' },
    ]);
  });

  test('does not give a job to a model that cannot do its kind', () => {
    expect(refusal({ ...REQUEST, model: 'upscaler' }).code).toBe('unknown_model');
  });

  test('says so when nothing is offered at all', () => {
    expect(refusal(REQUEST, { ...OFFERS, models: [] }).message).toContain('no model at all right now');
  });

  test.each([
    ['NUL', { prompt: 'a\u0000b' }, 'prompt', 'U+0000 at position 1'],
    ['a carriage return', { negative_prompt: 'a\r\nb' }, 'negative_prompt', 'U+000D'],
    ['an escape in metadata', { metadata: { row: '\u001b[31m' } }, 'metadata.row', 'U+001B'],
    ['an escape in a metadata key', { metadata: { '\u001b': 'x' } }, 'metadata (a key)', 'U+001B'],
    ['half a surrogate pair', { prompt: 'x\ud83d' }, 'prompt', 'U+D83D at position 1'],
  ])('refuses %s by name and place', (_what, change, field, message) => {
    const { code, faults } = refusal({ ...REQUEST, ...change });
    expect(code).toBe('invalid_request');
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatchObject({ field, message: expect.stringContaining(message) });
  });

  test('takes tabs, line feeds and every script as they are', () => {
    const prompt = 'ночь\t夜\n👩‍👩‍👧‍👦 مرحبا 🏳️‍🌈 e\u0301';
    expect(toJobParams({ ...REQUEST, prompt }, OFFERS, () => 1).prompt).toBe(prompt);
  });
});
