import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SAMPLER_NAMES } from '../../src/contract/samplers.ts';
import { latentsFacts } from '../../src/latents-facts.ts';
import { isDenoised, startSample, stepBatch, type Sample } from '../../workers/render/diffusion/denoise.ts';
import type { LoadedModel } from '../../workers/render/diffusion/loaded-model.ts';
import type { SampleRequest } from '../../workers/render/diffusion/sample-request.ts';
import type { Span } from '../../workers/render/diffusion/span.ts';
import { latentsFile, readLatents } from '../../workers/render/engine/latents-file.ts';
import { DEPTH, finish, IMAGE, INPAINT, load, render, TEXT, texts, UPSCALE } from './tiny-requests.ts';

const models = new Map<string, LoadedModel>();
beforeAll(async () => {
  for (const name of ['base', 'depth', 'inpaint', 'upscale']) models.set(name, await load(name));
});
afterAll(() => Promise.all([...models.values()].map((model) => model.release())));

const modelOf = (name: string): LoadedModel => models.get(name)!;

async function walk(model: LoadedModel, request: SampleRequest, span: Partial<Span>): Promise<Sample> {
  const sample = await startSample(model, request, texts(), { from: null, endStep: null, ...span });
  while (!isDenoised(sample)) await stepBatch(model, [sample]);
  return sample;
}

/** By way of a file, as a job that stops and another that goes on. */
async function walkInParts(
  model: LoadedModel,
  request: SampleRequest,
  ends: readonly number[],
): Promise<Sample> {
  let from: Span['from'] = null;
  for (const endStep of ends)
    from = readLatents(latentsFile(await walk(model, request, { from, endStep }), model));
  return walk(model, request, { from });
}

describe('what goes on from a file of latents', () => {
  test.each([...SAMPLER_NAMES, 'ddim with eta'] as const)(
    'ends as if it had not been stopped: %s',
    async (name) => {
      const model = modelOf('base');
      const sampler = name === 'ddim with eta' ? ({ sampler: 'ddim', eta: 0.7 } as const) : { sampler: name };
      const request = { ...TEXT, ...sampler, steps: 6 };
      const whole = await walk(model, request, {});
      for (let step = 1; step <= whole.sampler.calls; step++) {
        const parts = await walkInParts(model, request, [step]);
        expect(parts.latents, `stopped after ${step}`).toEqual(whole.latents);
      }
      expect((await walkInParts(model, request, [1, 2, 4])).latents).toEqual(whole.latents);
    },
  );

  test.each<[string, SampleRequest, string]>([
    ['img2img', IMAGE, 'base'],
    ['depth', DEPTH, 'depth'],
    ['inpaint with a base model', INPAINT, 'base'],
    ['inpaint', { ...INPAINT, overlay: true }, 'inpaint'],
    ['upscale', UPSCALE, 'upscale'],
  ])('becomes the same picture, of the kind %s', async (_, request, name) => {
    const model = modelOf(name);
    for (const sampler of ['euler_a', 'pndm'] as const) {
      const parts = await walkInParts(model, { ...request, sampler }, [2]);
      expect(await finish(model, parts)).toEqual(await render(model, { ...request, sampler }));
    }
  });
});

describe('a file of latents', () => {
  test('says what it is, in a header that any reader of safetensors takes', async () => {
    const model = modelOf('base');
    const request = { ...IMAGE, sampler: 'dpmpp_2m' as const, seed: 11 };
    const file = latentsFile(await walk(model, request, { endStep: 2 }), model);
    const facts = latentsFacts(file.subarray(0, 4_096));
    expect(facts).toMatchObject({
      kind: 'img2img',
      sampler: 'dpmpp_2m',
      steps: 4,
      strength: 0.75,
      seed: 11,
      width: 40,
      height: 32,
      step: 2,
      calls: 3,
    });
    expect(facts?.vae).toBe(model.vaeDigest);
    const length = Buffer.from(file).readUInt32LE();
    expect(length % 8).toBe(0);
    const header: unknown = JSON.parse(Buffer.from(file).toString('utf8', 8, 8 + length));
    expect(header).toMatchObject({
      latents: { dtype: 'F32', shape: [1, 4, 4, 5] },
      'sampler.clean': { dtype: 'F32', shape: [1, 4, 4, 5] },
      'random.words': { dtype: 'U32', shape: [624] },
    });
  });

  test.each([
    ['cut short', (file: Uint8Array) => file.subarray(0, 3_000), /leave the data/],
    ['cut in its header', (file: Uint8Array) => file.subarray(0, 100), /no file of latents/],
    ['something else', () => new Uint8Array(64), /no file of latents/],
    ['empty', () => new Uint8Array(), /no file of latents/],
  ])('that is %s is refused', async (_, spoil, message) => {
    const model = modelOf('base');
    const file = latentsFile(await walk(model, TEXT, { endStep: 1 }), model);
    expect(() => readLatents(spoil(file))).toThrow(message);
  });

  test('of another size is refused, and so are steps that do not exist', async () => {
    const model = modelOf('base');
    const from = readLatents(latentsFile(await walk(model, TEXT, { endStep: 3 }), model));
    const start = (request: SampleRequest, endStep: number | null): Promise<Sample> =>
      startSample(model, request, texts(), { from, endStep });
    await expect(start({ ...TEXT, width: 48 }, null)).rejects.toThrow(
      'latents of init_latent has 80 values, but must have 96',
    );
    await expect(start({ ...TEXT, steps: 2 }, null)).rejects.toThrow(
      'start_step is 3, but must be at most 2',
    );
    await expect(start(TEXT, 3)).rejects.toThrow('end_step is 3, but must be from 4 to 4');
    await expect(start(TEXT, 5)).rejects.toThrow('end_step is 5, but must be from 4 to 4');
  });
});
