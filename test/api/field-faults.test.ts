import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LIMITS } from '../../src/domain/limits.ts';
import { REQUEST, problemOf, startApi, type TestApi } from './test-api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

describe('a body that does not fit', () => {
  test.each<
    [string, Record<string, unknown>, { field: string; value?: unknown; limit?: unknown; message: string }]
  >([
    ['no prompt', { prompt: undefined }, { field: 'prompt', message: 'is required' }],
    ['an empty prompt', { prompt: '' }, { field: 'prompt', value: '', limit: 1, message: 'at least 1 char' }],
    [
      'a long prompt',
      { prompt: '𝄞'.repeat(4_001) },
      { field: 'prompt', limit: 4_000, message: 'at most 4000' },
    ],
    [
      'a number as text',
      { steps: '7' },
      { field: 'steps', value: '7', limit: 'integer', message: 'of type integer' },
    ],
    [
      'text as a number',
      { prompt: 7 },
      { field: 'prompt', value: 7, limit: 'string', message: 'of type string' },
    ],
    ['null', { prompt: null }, { field: 'prompt', value: null, message: 'of type string' }],
    [
      'a size off the grid',
      { width: 100 },
      { field: 'width', value: 100, limit: 8, message: 'divisible by 8' },
    ],
    ['a size too small', { height: 0 }, { field: 'height', value: 0, limit: 64, message: 'at least 64' }],
    [
      'a size too large',
      { width: 1_032 },
      { field: 'width', value: 1_032, limit: 1_024, message: 'at most 1024' },
    ],
    ['too many steps', { steps: 1e9 }, { field: 'steps', value: 1e9, limit: 150, message: 'at most 150' }],
    [
      'more steps than the sampler has',
      { sampler: 'lcm', steps: 51 },
      { field: 'steps', value: 51, limit: 50, message: 'at most 50 with the sampler lcm' },
    ],
    [
      'all of the rescale and more',
      { guidance_rescale: 1.1 },
      { field: 'guidance_rescale', value: 1.1, limit: 1, message: 'at most 1' },
    ],
    [
      'more skipped layers than there are',
      { clip_skip: 23 },
      { field: 'clip_skip', value: 23, limit: 22, message: 'at most 22' },
    ],
    [
      'previews less often than ever',
      { preview: { every: 151 } },
      { field: 'preview.every', value: 151, limit: 150, message: 'at most 150' },
    ],
    [
      'a preview of another kind',
      { preview: { kind: 'huge' } },
      { field: 'preview.kind', value: 'huge', message: 'one of: fast, full' },
    ],
    [
      'a stop before the first step',
      { end_step: 0 },
      { field: 'end_step', value: 0, limit: 1, message: 'at least 1' },
    ],
    ['half a step', { steps: 1.5 }, { field: 'steps', value: 1.5, message: 'of type integer' }],
    ['an inexact seed', { seed: 2 ** 53 }, { field: 'seed', limit: LIMITS.seedMax, message: 'at most' }],
    ['a negative seed', { seed: -1 }, { field: 'seed', value: -1, limit: 0, message: 'at least 0' }],
    ['nine images', { images: 9 }, { field: 'images', value: 9, limit: 8, message: 'at most 8' }],
    [
      'an unknown sampler',
      { sampler: 'lms' },
      { field: 'sampler', value: 'lms', message: 'one of: ddim, euler' },
    ],
    [
      'an unknown kind',
      { kind: 'video' },
      { field: 'kind', value: 'video', message: 'one of: txt2img, img2img, depth, inpaint, upscale' },
    ],
    ['no kind', { kind: undefined }, { field: 'kind', message: 'is required' }],
    ['a kind that is no text', { kind: ['txt2img'] }, { field: 'kind', message: 'one of: txt2img' }],
    ['a field of another kind', { strength: 0.5 }, { field: 'strength', message: 'not a known field' }],
    [
      'eta with the wrong sampler',
      { eta: 0.5 },
      { field: 'eta', value: 0.5, limit: 0, message: 'must be 0' },
    ],
    ['seed and seeds', { seed: 1, seeds: [1] }, { field: 'seeds', message: 'together with seed' }],
    ['no seeds', { seeds: [] }, { field: 'seeds', limit: 1, message: 'at least 1 entries' }],
    ['a seed that is none', { seeds: [1, -1] }, { field: 'seeds.1', value: -1, message: 'at least 0' }],
    [
      'nine seeds',
      { seeds: [1, 2, 3, 4, 5, 6, 7, 8, 9] },
      { field: 'seeds', limit: 8, message: 'at most 8' },
    ],
    ['fewer seeds than images', { seeds: [1], images: 2 }, { field: 'seeds', limit: 2, message: 'not 1' }],
    [
      'a second stage that is a number',
      { upscale: 4 },
      { field: 'upscale', value: 4, limit: ['boolean', 'object'], message: 'of type boolean or object' },
    ],
    [
      'a fault in the second stage',
      { upscale: { noise_level: 351 } },
      { field: 'upscale.noise_level', value: 351, limit: 350, message: 'at most 350' },
    ],
    ['an unknown field', { promt: 'x' }, { field: 'promt', message: 'not a known field' }],
    ['a read-only field', { state: 'succeeded' }, { field: 'state', message: 'not a known field' }],
    [
      'a nested fault',
      { output: { quality: 0 } },
      { field: 'output.quality', value: 0, limit: 1, message: 'at least 1' },
    ],
    [
      'metadata that is no text',
      { metadata: { a: 1 } },
      { field: 'metadata.a', value: 1, message: 'of type string' },
    ],
    [
      'a long metadata name',
      { metadata: { ['k'.repeat(65)]: 'v' } },
      { field: 'metadata', limit: 64, message: 'a name in it' },
    ],
    [
      'much metadata',
      { metadata: Object.fromEntries(Array.from({ length: 17 }, (_, n) => [`k${n}`, ''])) },
      { field: 'metadata', limit: 16, message: 'at most 16 entries' },
    ],
    ['a control character', { prompt: 'a\u0000b' }, { field: 'prompt', message: 'U+0000 at position 1' }],
  ])('is refused with its field, value and limit: %s', async (_what, change, fault) => {
    const problem = problemOf(await api.post('/v1/jobs', { ...REQUEST, ...change }));
    expect(problem).toMatchObject({ status: 400, code: 'invalid_request' });
    expect(problem.errors).toEqual([
      expect.objectContaining({ ...fault, message: expect.stringContaining(fault.message) }),
    ]);
  });

  test.each<
    [string, Record<string, unknown>, { field: string; value?: unknown; limit?: unknown; message: string }]
  >([
    ['img2img without an image', { kind: 'img2img' }, { field: 'image', message: 'is required' }],
    [
      'an image that is a list',
      { kind: 'img2img', image: [1] },
      { field: 'image', limit: 'string', message: 'of type string' },
    ],
    [
      'no strength at all',
      { kind: 'img2img', image: 'x', strength: 0 },
      { field: 'strength', value: 0, limit: 0, message: 'more than 0' },
    ],
    [
      'more than all strength',
      { kind: 'img2img', image: 'x', strength: 1.01 },
      { field: 'strength', value: 1.01, limit: 1, message: 'at most 1' },
    ],
    [
      'a strength that leaves no step',
      { kind: 'img2img', image: 'x', strength: 0.09, steps: 10 },
      { field: 'strength', value: 0.09, limit: 0.1, message: 'none of 10 steps' },
    ],
    [
      'a depth map that is a number',
      { kind: 'depth', image: 'x', depth_map: 1 },
      { field: 'depth_map', value: 1, limit: ['string', 'null'], message: 'of type string or null' },
    ],
    [
      'a wish for the depth map in words',
      { kind: 'depth', image: 'x', return_depth_map: 'yes' },
      { field: 'return_depth_map', value: 'yes', message: 'of type boolean' },
    ],
    ['inpaint without a mask', { kind: 'inpaint', image: 'x' }, { field: 'mask', message: 'is required' }],
    [
      'a mask of img2img',
      { kind: 'img2img', image: 'x', mask: 'x' },
      { field: 'mask', message: 'not a known field' },
    ],
    [
      'a wide padding',
      { kind: 'inpaint', image: 'x', mask: 'x', crop_padding: 257 },
      { field: 'crop_padding', value: 257, limit: 256, message: 'at most 256' },
    ],
    [
      'an overlay that is a number',
      { kind: 'inpaint', image: 'x', mask: 'x', overlay: 1 },
      { field: 'overlay', value: 1, message: 'of type boolean' },
    ],
    [
      'a noise level that is no level',
      { kind: 'upscale', image: 'x', noise_level: 0.5 },
      { field: 'noise_level', value: 0.5, message: 'of type integer' },
    ],
    [
      'a size for upscale',
      { kind: 'upscale', image: 'x', width: 512 },
      { field: 'width', message: 'not a known field' },
    ],
    [
      'an image that is too large to stand in a request',
      { kind: 'upscale', image: 'A'.repeat(LIMITS.inlineImageChars + 1) },
      { field: 'image', limit: LIMITS.inlineImageChars, message: 'at most 16777280 characters' },
    ],
  ])('is refused by the fields of its own kind: %s', async (_what, request, fault) => {
    const problem = problemOf(await api.post('/v1/jobs', { prompt: 'x', ...request }));
    expect(problem).toMatchObject({ status: 400, code: 'invalid_request' });
    expect(problem.errors).toEqual([
      expect.objectContaining({ ...fault, message: expect.stringContaining(fault.message) }),
    ]);
  });

  test('is told all its faults at once, but no endless list', async () => {
    const two = problemOf(await api.post('/v1/jobs', { kind: 'txt2img', width: 1, steps: 0 }));
    expect(two.errors.map(({ field }) => field).toSorted()).toEqual(['prompt', 'steps', 'width', 'width']);
    const many = Object.fromEntries([
      ['kind', 'txt2img'],
      ...Array.from({ length: 15_000 }, (_, n) => [`k${n}`, n]),
    ]);
    expect(problemOf(await api.post('/v1/jobs', many)).errors).toHaveLength(16);
  });

  test('has its values shortened in the answer', async () => {
    const answer = await api.post('/v1/jobs', {
      ...REQUEST,
      model: '😀'.repeat(2_000),
      ['x'.repeat(9_000)]: 1,
    });
    expect(problemOf(answer).errors).toHaveLength(2);
    expect(answer.text.length).toBeLessThan(1_500);
  });
});
