import { describe, expect, test } from 'vitest';
import type { CreateJob } from '../../src/contract/create-job.ts';
import { KilnError, type FieldFault } from '../../src/domain/errors.ts';
import { checkRequest } from '../../src/domain/request-rules.ts';

const TXT2IMG = { kind: 'txt2img', prompt: 'a lighthouse' } as const;
const IMG2IMG = { kind: 'img2img', prompt: 'a lighthouse', image: 'up_1' } as const;
const UPSCALE = { kind: 'upscale', image: 'up_1' } as const;

function faultsOf(request: CreateJob): readonly FieldFault[] {
  try {
    checkRequest(request);
  } catch (error) {
    if (error instanceof KilnError && error.code === 'invalid_request') return error.faults;
    throw error;
  }
  return [];
}

describe('text', () => {
  test.each([
    ['NUL', { prompt: 'a\u0000b' }, 'prompt', 'U+0000 at position 1'],
    ['a carriage return', { negative_prompt: 'a\r\nb' }, 'negative_prompt', 'U+000D'],
    ['an escape in metadata', { metadata: { row: '\u001b[31m' } }, 'metadata.row', 'U+001B'],
    ['an escape in a metadata key', { metadata: { '\u001b': 'x' } }, 'metadata (a key)', 'U+001B'],
    ['half a surrogate pair', { prompt: 'x\ud83d' }, 'prompt', 'U+D83D at position 1'],
  ])('with %s is refused by name and place', (_what, change, field, message) => {
    expect(faultsOf({ ...TXT2IMG, ...change })).toEqual([
      expect.objectContaining({ field, message: expect.stringContaining(message) }),
    ]);
  });

  test('of any script is taken, with tabs and line feeds', () => {
    const prompt = 'ночь\t夜\n👩‍👩‍👧‍👦 مرحبا 🏳️‍🌈 e\u0301';
    expect(faultsOf({ ...TXT2IMG, prompt })).toEqual([]);
  });
});

describe('fields that depend on each other', () => {
  test.each<[string, CreateJob, FieldFault[]]>([
    ['eta with ddim', { ...TXT2IMG, sampler: 'ddim', eta: 1 }, []],
    ['eta with the ddim that upscale has by default', { ...UPSCALE, eta: 0.5 }, []],
    ['no eta with another', { ...TXT2IMG, sampler: 'euler', eta: 0 }, []],
    [
      'eta with the default sampler',
      { ...TXT2IMG, eta: 0.5 },
      [{ field: 'eta', value: 0.5, limit: 0, message: 'must be 0 with the sampler dpmpp_2m' }],
    ],
    [
      'more steps than the sampler has',
      { ...TXT2IMG, sampler: 'lcm', steps: 51 },
      [{ field: 'steps', value: 51, limit: 50, message: 'must be at most 50 with the sampler lcm' }],
    ],
    [
      'more steps than the sampler of the second stage has',
      { ...TXT2IMG, upscale: { sampler: 'lcm', steps: 51 } },
      [{ field: 'upscale.steps', value: 51, limit: 50, message: 'must be at most 50 with the sampler lcm' }],
    ],
    ['the 50 steps of upscale with a sampler of 50', { ...UPSCALE, sampler: 'lcm' }, []],
    ['a stop after the last step', { ...TXT2IMG, end_step: 20 }, []],
    [
      'a stop after the one more that PNDM makes',
      { ...IMG2IMG, sampler: 'pndm', steps: 10, end_step: 9 },
      [],
    ],
    [
      'a stop after more steps than the strength leaves',
      { ...IMG2IMG, steps: 10, end_step: 9 },
      [
        {
          field: 'end_step',
          value: 9,
          limit: 8,
          message: 'must be at most 8: so many steps does the job make',
        },
      ],
    ],
    [
      'a stop before the second stage',
      { ...TXT2IMG, upscale: true, end_step: 5 },
      [{ field: 'end_step', value: 5, message: 'cannot be given together with upscale' }],
    ],
    [
      'a start without latents',
      { ...TXT2IMG, start_step: 5 },
      [{ field: 'start_step', value: 5, message: 'cannot be given without init_latent' }],
    ],
    ['just one step left', { ...IMG2IMG, steps: 4, strength: 0.25 }, []],
    [
      'no step left',
      { ...IMG2IMG, steps: 4, strength: 0.24 },
      [
        {
          field: 'strength',
          value: 0.24,
          limit: 0.25,
          message: 'leaves none of 4 steps: must be at least 0.25, or the steps more',
        },
      ],
    ],
    [
      'no step left by the default strength',
      { ...IMG2IMG, steps: 1 },
      [{ field: 'strength', value: 0.8, limit: 1, message: expect.stringContaining('none of 1 steps') }],
    ],
    ['as many images as seeds', { ...TXT2IMG, seeds: [1, 2], images: 2 }, []],
    [
      'another number of images than of seeds',
      { ...TXT2IMG, seeds: [1, 2], images: 3 },
      [
        {
          field: 'seeds',
          value: [1, 2],
          limit: 3,
          message: 'must hold a seed for each of 3 images, not 2',
        },
      ],
    ],
    [
      'both seed and seeds',
      { ...TXT2IMG, seed: 1, seeds: [1] },
      [{ field: 'seeds', value: [1], message: 'cannot be given together with seed' }],
    ],
  ])('%s', (_what, request, faults) => {
    expect(faultsOf(request)).toEqual(faults);
  });

  test('are all told at once', () => {
    const request: CreateJob = { ...IMG2IMG, prompt: '\u0000', eta: 1, strength: 0.01, seed: 1, seeds: [1] };
    expect(faultsOf(request).map(({ field }) => field)).toEqual(['prompt', 'eta', 'strength', 'seeds']);
  });
});
