/** Do the kinds of job do what their callers want? Judged by pixels, on a model that was really trained. */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  decodeSample,
  isDenoised,
  startSample,
  stepBatch,
  type Sample,
} from '../../workers/render/diffusion/denoise.ts';
import type { LoadedModel } from '../../workers/render/diffusion/loaded-model.ts';
import { toPlanes, toRgb } from '../../workers/render/diffusion/rgb.ts';
import type { InpaintRequest, SampleRequest } from '../../workers/render/diffusion/sample-request.ts';
import { TextCache } from '../../workers/render/diffusion/text-cache.ts';
import type { GreyImage, RawImage } from '../../workers/render/image/raw-image.ts';
import { resize } from '../../workers/render/image/resize.ts';
import { loadModel } from '../../workers/render/onnx/load-model.ts';
import {
  brightness,
  count,
  dominantColour,
  meanDifference,
  outside,
  silhouetteOverlap,
  within,
} from './picture-statistics.ts';

const POCKET = fileURLToPath(new URL('../../models/pocket-base', import.meta.url));
/** What the model was trained on. */
const SIDE = 128;

const BASE = {
  negativePrompt: '',
  width: SIDE,
  height: SIDE,
  steps: 12,
  guidanceScale: 4,
  guidanceRescale: 0,
  clipSkip: 0,
  eta: 0,
  sampler: 'dpmpp_2m',
} as const satisfies Partial<SampleRequest>;

const byDay = (thing: string): string => `a large ${thing} on a grey floor by day`;

const SOURCES = [
  { thing: 'red sphere', colour: 'red' },
  { thing: 'green sphere', colour: 'green' },
  { thing: 'blue cone', colour: 'blue' },
  { thing: 'yellow cylinder', colour: 'yellow' },
  { thing: 'purple cube', colour: 'purple' },
] as const;

let model: LoadedModel;
/** What the model paints for SOURCES: the images that the other kinds start from. */
let sources: readonly RawImage[];
/** The same shapes in other colours: what image to image is asked to make of the first four. */
const RECOLOURED = ['blue sphere', 'yellow sphere', 'red cone', 'green cylinder'] as const;
const NEW_COLOURS = ['blue', 'yellow', 'red', 'green'] as const;

beforeAll(async () => {
  model = await loadModel(POCKET, { device: { kind: 'cpu' }, profile: 'lean' });
  sources = await render(
    SOURCES.map(({ thing }, n) => ({ ...BASE, kind: 'txt2img', prompt: byDay(thing), seed: 10 + n })),
  );
});
afterAll(() => model.release());

/** All in one batch, as an engine would. */
async function render(requests: readonly SampleRequest[]): Promise<RawImage[]> {
  const texts = new TextCache(2 ** 20);
  const samples: Sample[] = [];
  for (const request of requests) samples.push(await startSample(model, request, texts));
  for (let left = [...samples]; left.length > 0; left = left.filter((sample) => !isDenoised(sample))) {
    await stepBatch(model, left);
  }
  const images: RawImage[] = [];
  for (const sample of samples) {
    const outcome = await decodeSample(model, sample);
    if (outcome.kind === 'failure') throw new Error(outcome.failure.message);
    images.push(outcome.image);
  }
  return images;
}

/** A white box on black. */
function boxMask(
  side: number,
  { left, top, right, bottom }: Record<'left' | 'top' | 'right' | 'bottom', number>,
): GreyImage {
  const isInside = (x: number, y: number): boolean => x >= left && x < right && y >= top && y < bottom;
  const grey = Uint8Array.from({ length: side * side }, (_, i) =>
    isInside(i % side, Math.floor(i / side)) ? 255 : 0,
  );
  return { width: side, height: side, grey };
}

describe('text to image', () => {
  it('puts the asked colour into the picture', () => {
    expect(sources.map((image) => dominantColour(image))).toEqual(SOURCES.map(({ colour }) => colour));
    for (const [n, { colour }] of SOURCES.entries()) expect(count(sources[n]!, colour)).toBeGreaterThan(600);
  });

  it('tells night from sunset and sunset from day', async () => {
    const [night, sunset] = await render(
      ['at night', 'at sunset'].map((time) => ({
        ...BASE,
        kind: 'txt2img',
        prompt: `a large red sphere on a grey floor ${time}`,
        seed: 10,
      })),
    );
    expect(brightness(sunset!) - brightness(night!)).toBeGreaterThan(30);
    expect(brightness(sources[0]!) - brightness(sunset!)).toBeGreaterThan(15);
  });
});

describe('image to image', () => {
  const fromSources = (things: readonly string[], strength: number): Promise<RawImage[]> =>
    render(
      things.map((thing, n) => ({
        ...BASE,
        kind: 'img2img',
        prompt: byDay(thing),
        image: sources[n]!,
        strength,
        seed: 20 + n,
      })),
    );
  const overlaps = (images: readonly RawImage[]): number[] =>
    images.map((image, n) => silhouetteOverlap(image, sources[n]!));

  it('leaves the picture nearly alone at low strength', async () => {
    const images = await fromSources(
      SOURCES.map(({ thing }) => thing),
      0.25,
    );
    for (const [n, image] of images.entries()) {
      expect(dominantColour(image)).toBe(SOURCES[n]!.colour);
      expect(meanDifference(image, sources[n]!)).toBeLessThan(5);
    }
    expect(Math.min(...overlaps(images))).toBeGreaterThan(0.8);
  });

  it('keeps the layout at medium strength, in the colour that the prompt asks for', async () => {
    const images = await fromSources(RECOLOURED, 0.5);
    expect(images.map((image) => dominantColour(image))).toEqual(NEW_COLOURS);
    expect(Math.min(...overlaps(images))).toBeGreaterThan(0.65);
  });

  it('follows the prompt alone at full strength', async () => {
    const images = await fromSources(RECOLOURED, 1);
    expect(images.map((image) => dominantColour(image))).toEqual(NEW_COLOURS);
    const mean = overlaps(images).reduce((sum, overlap) => sum + overlap, 0) / images.length;
    expect(mean).toBeLessThan(0.5);
  });
});

describe('inpainting with a base model', () => {
  /** The right half but for its edges; the left of it stays. */
  const beside = boxMask(SIDE, { left: 64, top: 24, right: SIDE, bottom: 112 });
  /** Holds all of the thing in the middle of the picture. */
  const over = boxMask(SIDE, { left: 32, top: 16, right: SIDE, bottom: 112 });

  /** Samplers of all makes: each must put the image back at its own level of noise. */
  const TASKS = [
    {
      source: 0,
      thing: 'red sphere left of a large green cone',
      mask: beside,
      paints: 'green',
      sampler: 'dpmpp_2m',
    },
    { source: 1, thing: 'purple cone', mask: over, paints: 'purple', sampler: 'euler' },
    { source: 2, thing: 'blue cone left of a red cylinder', mask: beside, paints: 'red', sampler: 'euler_a' },
    { source: 3, thing: 'orange sphere', mask: over, paints: 'orange', sampler: 'unipc' },
  ] as const;

  const inpaint = (changes: Pick<InpaintRequest, 'overlay' | 'strength'>): Promise<RawImage[]> =>
    render(
      TASKS.map(({ source, thing, mask, sampler }, n) => ({
        ...BASE,
        ...changes,
        kind: 'inpaint',
        prompt: byDay(thing),
        image: sources[source]!,
        mask,
        cropPadding: null,
        seed: 40 + n,
        sampler,
      })),
    );

  it('follows the prompt inside the mask, and leaves what is outside to the last bit with the overlay', async () => {
    const images = await inpaint({ overlay: true, strength: 0.8 });
    for (const [n, { source, mask, paints }] of TASKS.entries()) {
      const [image, region] = [images[n]!, within(mask)];
      expect(dominantColour(image, region)).toBe(paints);
      expect(count(image, paints, region)).toBeGreaterThan(150);
      expect(meanDifference(image, sources[source]!, outside(region))).toBe(0);
    }
  });

  it('leaves what is outside as near as the VAE does without the overlay', async () => {
    const images = await inpaint({ overlay: false, strength: 0.8 });
    for (const [n, { source, mask }] of TASKS.entries()) {
      const [image, original] = [images[n]!, sources[source]!];
      // The decoder lets what it paints shine some pixels across the border.
      const far = outside(within(mask, 16));
      const own = meanDifference(await throughVae(original), original, far);
      const difference = meanDifference(image, original, far);
      expect(difference).toBeLessThan(own + 1.5);
      expect(meanDifference(image, original, within(mask))).toBeGreaterThan(2 * difference);
    }
  });

  it('paints over what was there at full strength', async () => {
    const images = await inpaint({ overlay: true, strength: 1 });
    for (const n of [1, 3] as const) {
      const region = within(TASKS[n].mask);
      expect(dominantColour(images[n]!, region)).toBe(TASKS[n].paints);
      const left = count(images[n]!, SOURCES[n].colour, region);
      expect(left).toBeLessThan(0.1 * count(sources[n]!, SOURCES[n].colour, region));
    }
  });

  it('works on the part round the mask, in a picture larger than the model can paint', async () => {
    const side = 2 * SIDE;
    const image = resize(sources[0]!, { width: side, height: side }, 'lanczos');
    const mask = boxMask(side, { left: 144, top: 96, right: 240, bottom: 192 });
    const [result] = await render([
      {
        ...BASE,
        kind: 'inpaint',
        prompt: byDay('green cone'),
        image,
        mask,
        strength: 1,
        overlay: true,
        cropPadding: 16,
        seed: 50,
      },
    ]);
    expect(result).toMatchObject({ width: side, height: side });
    expect(dominantColour(result!, within(mask))).toBe('green');
    expect(meanDifference(result!, image, outside(within(mask)))).toBe(0);
  });

  async function throughVae(image: RawImage): Promise<RawImage> {
    const { width, height } = image;
    const moments = await model.encode(toPlanes(image), height, width);
    const mean = moments.subarray(0, moments.length / 2).map((value) => value * model.scalingFactor);
    return toRgb(await model.decode(mean, height / model.latentScale, width / model.latentScale), image);
  }
});
