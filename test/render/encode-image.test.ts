import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import type { InpaintParams, JobParams, OutputFormat, Txt2ImgParams } from '../../src/domain/job.ts';
import { encodeImage, encodePreview } from '../../workers/render/encode-image.ts';
import type { RawImage } from '../../workers/render/image/raw-image.ts';
import { Random } from '../support/random.ts';

const image: RawImage = {
  width: 24,
  height: 16,
  rgb: Uint8Array.from({ length: 24 * 16 * 3 }, (_, index) => (index * 7) % 256),
};

function params(changes: Partial<Txt2ImgParams> = {}): Txt2ImgParams {
  return {
    kind: 'txt2img',
    upscale: null,
    model: 'pocket-base',
    prompt: 'a red sphere',
    negativePrompt: 'night',
    width: 24,
    height: 16,
    steps: 20,
    guidanceScale: 7.5,
    guidanceRescale: 0,
    clipSkip: 0,
    eta: 0,
    seeds: [1],
    sampler: 'dpmpp_2m',
    priority: 'normal',
    output: { format: 'png', quality: 90 },
    metadata: {},
    webhook: null,
    bulk: null,
    preview: null,
    endStep: null,
    startFrom: null,
    ...changes,
  };
}

const INPAINT: InpaintParams = {
  ...params(),
  kind: 'inpaint',
  image: 'up_1',
  mask: 'up_2',
  strength: 0.75,
  overlay: false,
  cropPadding: null,
};

const settings =
  'Steps: 20, Sampler: DPM++ 2M, CFG scale: 7.5, Seed: 1, Size: 24x16, Model: pocket-base, Version: Kiln';
const text = `a red sphere\nNegative prompt: night\n${settings}`;

/** What stands behind the UserComment's 8-byte character code, read back from the big-endian block. */
function exifComment(exif: Buffer | undefined): string | undefined {
  const at = exif?.indexOf('UNICODE\0', 0, 'latin1') ?? -1;
  if (exif === undefined || at < 0) return undefined;
  const even = exif.subarray(at + 8);
  return Buffer.from(even.subarray(0, even.length & ~1))
    .swap16()
    .toString('utf16le');
}

function png(changes: Partial<Txt2ImgParams>) {
  return encodeImage(image, params(changes), 1);
}

describe('a PNG', () => {
  test('keeps every pixel', async () => {
    const { bytes, contentType } = await png({});
    expect(contentType).toBe('image/png');
    expect(await sharp(bytes).raw().toBuffer()).toEqual(Buffer.from(image.rgb));
  });

  test('carries its settings in the text chunk that viewers read', async () => {
    const { bytes } = await png({});
    expect((await sharp(bytes).metadata()).comments).toEqual([{ keyword: 'parameters', text }]);
    expect(Buffer.from(bytes).includes('tEXtparameters\0')).toBe(true);
  });

  test.each([
    ['euler_a', 'Euler a'],
    ['dpmpp_2m_sde', 'DPM++ 2M SDE'],
    ['unipc', 'UniPC'],
    ['lcm', 'LCM'],
    ['ddpm', 'DDPM'],
  ] as const)('names the sampler %s as viewers know it', async (sampler, title) => {
    const { bytes } = await png({ sampler });
    expect((await sharp(bytes).metadata()).comments?.[0]?.text).toContain(`Sampler: ${title}, CFG`);
  });

  test('names the rescale of guidance where there is one', async () => {
    const { bytes } = await png({ guidanceRescale: 0.7 });
    expect((await sharp(bytes).metadata()).comments?.[0]?.text).toContain(
      'CFG scale: 7.5, CFG Rescale: 0.7, Seed: 1',
    );
  });

  test('counts skipped layers as the web UI does', async () => {
    const { bytes } = await png({ clipSkip: 1 });
    expect((await sharp(bytes).metadata()).comments?.[0]?.text).toContain('Clip skip: 2, Version: Kiln');
  });

  test.each<{ title: string; job: JobParams; part: string }>([
    {
      title: 'an image that was changed',
      job: { ...params(), kind: 'img2img', image: 'up_1', strength: 0.6, sampler: 'ddim', eta: 0.5 },
      part: 'Model: pocket-base, Denoising strength: 0.6, Version',
    },
    {
      title: 'depth',
      job: { ...params(), kind: 'depth', image: 'up_1', strength: 1, depthMap: null, returnDepthMap: true },
      part: 'Model: pocket-base, Denoising strength: 1, Version',
    },
    {
      title: 'the part that was painted anew',
      job: { ...INPAINT, cropPadding: 32, overlay: true },
      part: 'Denoising strength: 0.75, Mask overlay: true, Inpaint area: Only masked, Masked area padding: 32, Version',
    },
    {
      title: 'an enlargement',
      job: { ...params(), kind: 'upscale', image: 'up_1', noiseLevel: 20 },
      part: 'Model: pocket-base, Noise level: 20, Version',
    },
  ])('names the kind and the settings of $title', async ({ job, part }) => {
    const { bytes } = await encodeImage(image, job, 1);
    const written = (await sharp(bytes).metadata()).comments?.[0]?.text ?? '';
    expect(written).toContain(`\nKind: ${job.kind}, Steps: 20, `);
    expect(written).toContain(part);
    expect(written.includes('Eta DDIM: 0.5')).toBe(job.eta > 0);
  });

  test('names both stages', async () => {
    const upscale = { model: 'x4', steps: 30, guidanceScale: 9, noiseLevel: 20, sampler: 'ddim' } as const;
    const { bytes } = await png({ upscale });
    expect((await sharp(bytes).metadata()).comments?.[0]?.text).toContain(
      'Model: pocket-base, Hires upscale: 4, Hires upscaler: x4, Hires steps: 30, Hires sampler: DDIM, ' +
        'Hires CFG Scale: 9, Noise level: 20, Version: Kiln',
    );
  });

  test('leaves the negative line out when there is none', async () => {
    const { bytes } = await png({ negativePrompt: '' });
    expect((await sharp(bytes).metadata()).comments?.[0]?.text).toBe(`a red sphere\n${settings}`);
  });

  test('writes Latin-1 as tEXt', async () => {
    const { bytes } = await png({ prompt: 'café ÿ', negativePrompt: '' });
    expect(Buffer.from(bytes).includes(Buffer.from('tEXtparameters\0café ÿ\n', 'latin1'))).toBe(true);
  });

  test('writes anything beyond Latin-1 as iTXt in UTF-8', async () => {
    const prompt = 'un œuf 🥚 на столе';
    const { bytes } = await png({ prompt, negativePrompt: '' });
    expect(Buffer.from(bytes).includes('iTXtparameters\0\0\0\0\0')).toBe(true);
    expect(Buffer.from(bytes).includes('tEXt', 0, 'latin1')).toBe(false);
    expect((await sharp(bytes).metadata()).comments?.[0]?.text).toBe(`${prompt}\n${settings}`);
  });

  test('is the same to the byte every time', async () => {
    const [first, second] = await Promise.all([png({}), png({})]);
    expect(second).toEqual(first);
  });

  test('is refused when the pixels do not fill the size', async () => {
    await expect(encodeImage({ ...image, height: 17 }, params(), 1)).rejects.toThrow(
      /memory area too small|buffer/i,
    );
  });
});

describe.each<{ format: OutputFormat; contentType: string }>([
  { format: 'jpeg', contentType: 'image/jpeg' },
  { format: 'webp', contentType: 'image/webp' },
])('a $format', ({ format, contentType }) => {
  const prompt = 'ein Würfel 🧊';
  const encode = (quality: number, words = prompt) =>
    encodeImage(image, params({ prompt: words, negativePrompt: '', output: { format, quality } }), 1);

  test('decodes to the same size', async () => {
    const encoded = await encode(90);
    expect(encoded.contentType).toBe(contentType);
    const { data, info } = await sharp(encoded.bytes, { failOn: 'warning' })
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect(info).toMatchObject({ width: 24, height: 16, channels: 3 });
    expect(data.length).toBe(24 * 16 * 3);
  });

  test('carries its settings as an EXIF comment', async () => {
    const { bytes } = await encode(90);
    const { exif } = await sharp(bytes).metadata();
    expect(exifComment(exif)).toBe(`${prompt}\n${settings}`);
  });

  test('carries a comment of odd and of even length', async () => {
    for (const words of ['ab', 'abc']) {
      const { bytes } = await encode(90, words);
      const metadata = await sharp(bytes, { failOn: 'warning' }).metadata();
      expect(exifComment(metadata.exif)).toBe(`${words}\n${settings}`);
    }
  });

  test('grows with its quality', async () => {
    expect((await encode(95)).bytes.length).toBeGreaterThan((await encode(30)).bytes.length);
  });
});

test('a JPEG with a text beyond one EXIF segment goes without it', async () => {
  const long = params({ prompt: 'ß'.repeat(33_000), output: { format: 'jpeg', quality: 90 } });
  const { bytes } = await encodeImage(image, long, 1);
  expect((await sharp(bytes).metadata()).exif).toBeUndefined();
});

describe('a preview', () => {
  test.each([
    ['small', 24, 16, [24, 16]],
    ['wide', 1_024, 256, [384, 96]],
    // Nothing is harder to compress.
    ['as large as that, and mere noise', 1_024, 1_024, [256, 256]],
  ])('of a picture that is %s has at most 20 kB', async (_, width, height, size) => {
    const random = new Random(1);
    const isNoise = width === height;
    const rgb = Uint8Array.from({ length: 3 * width * height }, (__, i) =>
      isNoise ? random.int(0, 255) : i % 251,
    );
    const preview = await encodePreview({ width, height, rgb });
    expect([preview.width, preview.height]).toEqual(size);
    expect(preview.bytes.length).toBeLessThanOrEqual(20_000);
    expect(await sharp(preview.bytes).metadata()).toMatchObject({ format: 'webp', width: size[0] });
  });
});
