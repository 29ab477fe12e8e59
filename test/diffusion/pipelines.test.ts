import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isDenoised, startSample, stepBatch, type Sample } from '../../workers/render/diffusion/denoise.ts';
import type { LoadedModel } from '../../workers/render/diffusion/loaded-model.ts';
import type { SampleRequest } from '../../workers/render/diffusion/sample-request.ts';
import type { RawImage } from '../../workers/render/image/raw-image.ts';
import {
  DEPTH,
  finish,
  IMAGE,
  INPAINT,
  load,
  maskOf,
  picture,
  render,
  slope,
  TEXT,
  texts,
  UPSCALE,
} from './tiny-requests.ts';

/** Of all kinds that the model can do, with settings that differ in everything but the size. */
const COMPANY: Readonly<Record<string, readonly SampleRequest[]>> = {
  base: [
    TEXT,
    { ...IMAGE, sampler: 'euler_a', steps: 6, seed: 2 },
    { ...INPAINT, sampler: 'pndm', steps: 3, seed: 3, overlay: true },
    { ...TEXT, sampler: 'euler', guidanceScale: 1, seed: 4 },
    { ...INPAINT, sampler: 'lcm', strength: 1, seed: 5, guidanceScale: 0, cropPadding: 2 },
    { ...IMAGE, sampler: 'unipc', strength: 1, negativePrompt: 'night', seed: 6, image: picture(40, 32, 2) },
    { ...INPAINT, sampler: 'dpmpp_2m_sde', steps: 5, seed: 7, mask: maskOf(20, 20) },
  ],
  depth: [
    DEPTH,
    { ...DEPTH, sampler: 'euler', seed: 2, depthMap: slope(20, 30) },
    { ...DEPTH, sampler: 'pndm', strength: 0.5, guidanceScale: 1, seed: 3, image: picture(64, 20, 2) },
  ],
  inpaint: [
    INPAINT,
    { ...INPAINT, sampler: 'dpmpp_2m', strength: 1, guidanceScale: 1, seed: 2, overlay: true },
    { ...INPAINT, sampler: 'euler_a', steps: 5, seed: 3, cropPadding: 3, image: picture(60, 50, 2) },
  ],
  upscale: [
    UPSCALE,
    { ...UPSCALE, noiseLevel: 350, sampler: 'euler', seed: 2, guidanceScale: 1 },
    { ...UPSCALE, noiseLevel: 0, sampler: 'dpmpp_2m', steps: 6, seed: 3, image: picture(10, 8, 2) },
  ],
};

describe.each(Object.keys(COMPANY))('samples of the %s model', (name) => {
  const requests = COMPANY[name] ?? [];
  let model: LoadedModel;
  beforeAll(async () => {
    model = await load(name);
  });
  afterAll(() => model.release());

  it('cover the kinds it can do, and get in any company the bits they get alone', async () => {
    expect(new Set(requests.map(({ kind }) => kind))).toEqual(new Set(model.kinds));
    const samples: Sample[] = [];
    for (const request of requests) samples.push(await startSample(model, request, texts()));
    for (
      let going = samples;
      going.length > 0;
      going = going.filter((sample) => !isDenoised(sample)).toReversed()
    ) {
      await stepBatch(model, going);
    }
    for (const [i, sample] of samples.entries()) {
      expect(await finish(model, sample)).toEqual(await render(model, requests[i]!));
    }
  });

  it('are refused when the model cannot do their kind', async () => {
    const foreign = [TEXT, IMAGE, DEPTH, INPAINT, UPSCALE].filter(({ kind }) => !model.kinds.includes(kind));
    for (const request of foreign) {
      await expect(startSample(model, request, texts())).rejects.toThrow(
        `${name} cannot do ${request.kind}, only ${model.kinds.join(', ')}`,
      );
    }
  });
});

describe('with a base model', () => {
  let model: LoadedModel;
  beforeAll(async () => {
    model = await load('base');
  });
  afterAll(() => model.release());

  /** The same model, with a count of the images it encodes. */
  const counting = (): { model: LoadedModel; encoded: () => number } => {
    let count = 0;
    const encode: LoadedModel['encode'] = (...pixels) => {
      count++;
      return model.encode(...pixels);
    };
    return { model: { ...model, encode }, encoded: () => count };
  };

  it('the images of a job encode their picture once, each with a sample of its own', async () => {
    const { model: counted, encoded } = counting();
    const image = picture(45, 37);
    const first = await startSample(counted, { ...IMAGE, image }, texts());
    const second = await startSample(counted, { ...IMAGE, image, seed: 2 }, texts());
    expect(encoded()).toBe(1);
    expect(second.latents).not.toEqual(first.latents);
    await startSample(counted, { ...IMAGE, image, width: 48 }, texts());
    await startSample(counted, { ...IMAGE, image: { ...image } }, texts());
    expect(encoded()).toBe(3);
  });

  it('a picture that could not be encoded is tried again', async () => {
    const broken = { ...model, encode: () => Promise.reject(new Error('out of memory')) };
    const image = picture(45, 37);
    await expect(startSample(broken, { ...IMAGE, image }, texts())).rejects.toThrow('out of memory');
    const sample = await startSample(model, { ...IMAGE, image }, texts());
    expect(sample.latents).toEqual((await startSample(model, IMAGE, texts())).latents);
  });

  it('a strength that leaves no step is refused with the least that would', async () => {
    await expect(startSample(model, { ...IMAGE, strength: 0.2 }, texts())).rejects.toThrow(
      'A strength of 0.2 leaves none of 4 steps to walk: it must be at least 0.25',
    );
  });

  it('a mask of black leaves the latents of the image, whatever the prompt', async () => {
    const mask = { ...INPAINT.mask, grey: new Uint8Array(INPAINT.mask.grey.length) };
    const samples = [
      await startSample(model, { ...INPAINT, mask }, texts()),
      await startSample(model, { ...INPAINT, mask, prompt: 'night', guidanceScale: 9, steps: 6 }, texts()),
    ];
    for (const sample of samples) await finish(model, sample);
    expect(samples[0]?.latents).toEqual(samples[1]?.latents);
  });

  it('an overlay brings every pixel outside the mask back', async () => {
    const image = picture(40, 32, 3);
    const mask = maskOf(40, 32);
    const result = await render(model, { ...INPAINT, image, mask, overlay: true });
    const outside = [...mask.grey.keys()].filter((i) => mask.grey[i] === 0);
    const pixels = ({ rgb }: RawImage): number[] =>
      outside.flatMap((i) => [...rgb.subarray(3 * i, 3 * i + 3)]);
    expect(pixels(result)).toEqual(pixels(image));
    expect(result.rgb).not.toEqual(image.rgb);
  });

  it('a crop round the mask gives an image of the size of the input, changed inside the mask only', async () => {
    const { image, mask } = INPAINT;
    const result = await render(model, { ...INPAINT, cropPadding: 4 });
    expect(result).toMatchObject({ width: 60, height: 50 });
    const changed = [...mask.grey.keys()].filter((i) =>
      [0, 1, 2].some((channel) => result.rgb[3 * i + channel] !== image.rgb[3 * i + channel]),
    );
    expect(changed.length).toBeGreaterThan(0);
    expect(changed.filter((i) => mask.grey[i] === 0)).toEqual([]);
  });

  it('a step that overflowed has changed nothing, and can be made again', async () => {
    const sample = await startSample(model, { ...INPAINT, sampler: 'pndm' }, texts());
    await stepBatch(model, [sample]);
    const before = sample.latents;
    const output = (rows: number): Float32Array => new Float32Array(rows * before.length).fill(NaN);
    await stepBatch({ ...model, predictNoise: ({ rows }) => Promise.resolve(output(rows)) }, [sample]);
    expect(sample).toMatchObject({ callsDone: 1, failure: { code: 'not_finite', stage: 'denoise' } });
    expect(sample.latents).toBe(before);
    sample.failure = null;
    expect(await finish(model, sample)).toEqual(await render(model, { ...INPAINT, sampler: 'pndm' }));
  });
});

describe('with a depth model', () => {
  let model: LoadedModel;
  beforeAll(async () => {
    model = await load('depth');
  });
  afterAll(() => model.release());

  it('depth is seen at the size of the image, from black to white, and asks no estimator when it is given', async () => {
    const blind = { ...model, depth: null };
    const { depthMap } = await startSample(blind, { ...DEPTH, depthMap: slope(20, 30) }, texts());
    expect(depthMap).toMatchObject({ width: 40, height: 32 });
    expect([Math.min(...(depthMap?.grey16 ?? [])), Math.max(...(depthMap?.grey16 ?? []))]).toEqual([
      0, 65_535,
    ]);
    await expect(startSample(blind, DEPTH, texts())).rejects.toThrow(
      'depth_map is missing, but must be given',
    );
  });

  it('the images of a job estimate its depth once', async () => {
    let count = 0;
    const estimator = model.depth;
    if (estimator === null) throw new Error('the depth model has an estimator');
    const depth = { ...estimator, estimate: (pixels: Float32Array) => (count++, estimator.estimate(pixels)) };
    const samples = [
      await startSample({ ...model, depth }, DEPTH, texts()),
      await startSample({ ...model, depth }, { ...DEPTH, seed: 2 }, texts()),
    ];
    expect(count).toBe(1);
    expect(samples[0]?.extraChannels).toEqual(samples[1]?.extraChannels);
  });

  it('a map without any depth is level ground, not a failure', async () => {
    const depthMap = { width: 4, height: 4, values: new Float32Array(16).fill(7) };
    const sample = await startSample(model, { ...DEPTH, depthMap }, texts());
    expect(sample.extraChannels).toEqual(new Float32Array(5 * 4));
    await finish(model, sample);
  });
});

describe('with an inpainting model', () => {
  let model: LoadedModel;
  beforeAll(async () => {
    model = await load('inpaint');
  });
  afterAll(() => model.release());

  it('the UNet sees which cells are white from half of white on', async () => {
    const grey = Uint8Array.from({ length: 40 * 32 }, (_, i) => (i % 40 < 16 ? 127 : 128));
    const mask = { width: 40, height: 32, grey };
    const { extraChannels } = await startSample(model, { ...INPAINT, mask }, texts());
    expect([...(extraChannels?.subarray(0, 10) ?? [])]).toEqual([0, 0, 1, 1, 1, 0, 0, 1, 1, 1]);
  });
});

describe('with an upscaler', () => {
  let model: LoadedModel;
  beforeAll(async () => {
    model = await load('upscale');
  });
  afterAll(() => model.release());

  it.each([351, -1, 0.5])(
    'a noise level of %d is refused with the range that the model knows',
    async (noiseLevel) => {
      await expect(startSample(model, { ...UPSCALE, noiseLevel }, texts())).rejects.toThrow(
        `noise_level is ${noiseLevel}, but must be a whole number from 0 to 350`,
      );
    },
  );

  it('the picture of another model is enlarged by 4', async () => {
    const base = await load('base');
    const image = await render(base, { ...TEXT, width: 16, height: 8 });
    await base.release();
    const enlarged = await render(model, { ...UPSCALE, image, width: 64, height: 32 });
    expect(enlarged).toMatchObject({ width: 64, height: 32 });
  });
});
