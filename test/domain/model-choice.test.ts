import { describe, expect, test } from 'vitest';
import type { CreateJob } from '../../src/contract/create-job.ts';
import { KilnError } from '../../src/domain/errors.ts';
import { areOffered, chooseModels, type ModelOffer, type Offers } from '../../src/domain/model-choice.ts';

function offer(name: string, kinds: string[], refusal: string | null = null): ModelOffer {
  return { name, kinds, defaultWidth: 64, defaultHeight: 64, refusal };
}

const OFFERS: Offers = {
  models: [
    offer('x4-b', ['upscale']),
    offer('x4-a', ['upscale']),
    offer('depth', ['depth']),
    offer('base', ['txt2img', 'img2img', 'inpaint']),
    offer('art', ['txt2img', 'img2img', 'inpaint']),
    offer('huge', ['txt2img', 'depth'], 'needs 90 GB'),
    offer('broken', [], 'unet/config.json is missing'),
  ],
  defaultModel: 'base',
};
const TXT2IMG = { kind: 'txt2img', prompt: 'x' } as const;
const DEPTH = { kind: 'depth', prompt: 'x', image: 'up_1' } as const;

function chosen(request: CreateJob, offers: Offers = OFFERS): (string | undefined)[] {
  const { model, upscaler } = chooseModels(request, offers);
  return upscaler === null ? [model.name] : [model.name, upscaler.name];
}

function refusalOf(request: CreateJob, offers: Offers = OFFERS): KilnError {
  expect(areOffered(request, offers)).toBe(false);
  try {
    chooseModels(request, offers);
  } catch (error) {
    if (error instanceof KilnError) return error;
    throw error;
  }
  throw new Error('the request was taken');
}

describe('a request that names no model', () => {
  test('takes the default where that can do the kind, and the first by name that can elsewhere', () => {
    expect(chosen(TXT2IMG)).toEqual(['base']);
    expect(chosen(DEPTH)).toEqual(['depth']);
    expect(chosen({ kind: 'upscale', image: 'up_1' })).toEqual(['x4-a']);
    expect(chosen(TXT2IMG, { ...OFFERS, defaultModel: 'gone' })).toEqual(['art']);
    expect(chosen(TXT2IMG, { ...OFFERS, defaultModel: 'huge' })).toEqual(['art']);
  });

  test('is told so when nothing at all is offered', () => {
    const { code, message } = refusalOf(TXT2IMG, { ...OFFERS, models: [] });
    expect([code, message]).toEqual(['unknown_model', expect.stringContaining('no model at all right now')]);
  });

  test('is told why the default cannot be run when there is no other', () => {
    const models = [offer('base', [], 'vae is missing')];
    const { code, message } = refusalOf(TXT2IMG, { ...OFFERS, models });
    expect([code, message]).toEqual(['model_unusable', 'Every worker refuses base: vae is missing']);
    const only = [offer('huge', ['depth'], 'needs 90 GB')];
    expect(refusalOf(DEPTH, { ...OFFERS, models: only }).code).toBe('model_unusable');
  });
});

describe('a request that names a model', () => {
  test('takes it', () => {
    expect(chosen({ ...TXT2IMG, model: 'art' })).toEqual(['art']);
  });

  test.each(['sd-9', 'depth'])('is told those that can do the kind when %s cannot', (model) => {
    const error = refusalOf({ ...TXT2IMG, model });
    expect(error.code).toBe('unknown_model');
    expect(error.faults).toEqual([
      { field: 'model', value: model, limit: ['art', 'base'], message: 'must be one of: art, base' },
    ]);
  });

  test.each([
    ['huge', 'needs 90 GB'],
    ['broken', 'unet/config.json is missing'],
  ])('is told why no worker can run %s', (model, reason) => {
    const error = refusalOf({ ...TXT2IMG, model });
    expect(error.code).toBe('model_unusable');
    expect(error.faults).toMatchObject([{ field: 'model', value: model }]);
    expect(error.message).toContain(reason);
  });
});

describe('a request with a second stage', () => {
  test('takes the first upscaler by name, or the one it names', () => {
    expect(chosen({ ...TXT2IMG, upscale: true })).toEqual(['base', 'x4-a']);
    expect(chosen({ ...TXT2IMG, upscale: { steps: 3 } })).toEqual(['base', 'x4-a']);
    expect(chosen({ ...TXT2IMG, upscale: { model: 'x4-b' } })).toEqual(['base', 'x4-b']);
    expect(chosen({ ...TXT2IMG, upscale: false })).toEqual(['base']);
  });

  test('is refused by the field of the stage when there is none', () => {
    expect(refusalOf({ ...TXT2IMG, upscale: { model: 'base' } }).faults).toMatchObject([
      { field: 'upscale.model', value: 'base', limit: ['x4-a', 'x4-b'] },
    ]);
    const models = OFFERS.models.filter(({ kinds }) => !kinds.includes('upscale'));
    const error = refusalOf({ ...TXT2IMG, upscale: true }, { ...OFFERS, models });
    expect([error.code, error.faults[0]?.field]).toEqual(['unknown_model', 'upscale.model']);
  });
});
