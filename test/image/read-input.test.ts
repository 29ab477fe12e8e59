import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { encodeDepthMap } from '../../workers/render/encode-image.ts';
import { luminance } from '../../workers/render/image/luminance.ts';
import { readInput } from '../../workers/render/image/read-input.ts';
import { noisyRgb } from './patterns.ts';

/** One row of pixels. */
function png(pixels: readonly number[], channels: 1 | 3 | 4): Promise<Buffer> {
  const raw = { width: pixels.length / channels, height: 1, channels };
  const picture = sharp(Uint8Array.from(pixels), { raw });
  return (channels === 1 ? picture.toColourspace('b-w') : picture).png().toBuffer();
}

function deepPng(values: readonly number[]): Promise<Uint8Array> {
  const map = { width: values.length, height: 1, grey16: Uint16Array.from(values) };
  return encodeDepthMap(map).then(({ bytes }) => bytes);
}

/** White, black and grey; clear, half clear and opaque. */
const TRANSLUCENT = [255, 255, 255, 0, 0, 0, 0, 0, 200, 100, 50, 51, 10, 20, 30, 255];

describe('an image', () => {
  it('keeps every pixel', async () => {
    const image = noisyRgb(1, { width: 37, height: 23 });
    const bytes = await sharp(image.rgb, { raw: { width: 37, height: 23, channels: 3 } })
      .png()
      .toBuffer();
    const { width, height, rgb } = await readInput(bytes, 'image');
    expect([width, height]).toEqual([37, 23]);
    expect(Buffer.from(rgb)).toEqual(Buffer.from(image.rgb));
  });

  it('shows white where it is clear', async () => {
    const { rgb } = await readInput(await png(TRANSLUCENT, 4), 'image');
    expect([...rgb]).toEqual([255, 255, 255, 255, 255, 255, 244, 224, 214, 10, 20, 30]);
  });

  it('of grey has three equal channels', async () => {
    expect([...(await readInput(await png([0, 7, 255], 1), 'image')).rgb]).toEqual([
      0, 0, 0, 7, 7, 7, 255, 255, 255,
    ]);
    expect([...(await readInput(await deepPng([0x07ff, 0xff00]), 'image')).rgb]).toEqual([
      7, 7, 7, 255, 255, 255,
    ]);
  });
});

describe('a mask', () => {
  it('is the luminance of its colours', async () => {
    const { grey } = await readInput(await png([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9], 3), 'mask');
    expect([...grey]).toEqual([76, 150, 29, 9]);
  });

  it('is black where it is clear', async () => {
    const { grey } = await readInput(await png(TRANSLUCENT, 4), 'mask');
    expect([...grey]).toEqual([0, 0, 25, 18]);
  });

  it('keeps every level of grey', async () => {
    const levels = Array.from({ length: 256 }, (_, level) => level);
    expect([...(await readInput(await png(levels, 1), 'mask')).grey]).toEqual(levels);
    const rgb = Uint8Array.from(levels.flatMap((level) => [level, level, level]));
    expect([...luminance({ width: 256, height: 1, rgb }).grey]).toEqual(levels);
  });
});

describe('a depth map', () => {
  it('keeps all 16 bits', async () => {
    const values = Array.from({ length: 65_536 / 16 }, (_, i) => 16 * i + (i % 16));
    const { width, height, values: read } = await readInput(await deepPng(values), 'depth_map');
    expect([width, height]).toEqual([4096, 1]);
    expect([...read]).toEqual(values);
  });

  it('of 8 bits is its luminance', async () => {
    const { values } = await readInput(await png([255, 0, 0, 9, 9, 9], 3), 'depth_map');
    expect([...values]).toEqual([76, 9]);
  });
});

describe('refused, with the name of the input,', () => {
  it('is what is no PNG', async () => {
    const jpeg = await sharp({ create: { width: 8, height: 8, channels: 3, background: 'red' } })
      .jpeg()
      .toBuffer();
    await expect(readInput(jpeg, 'mask')).rejects.toThrow("The job's mask cannot be read: it is not a PNG.");
    await expect(readInput(new Uint8Array(), 'image')).rejects.toThrow("The job's image cannot be read");
  });

  it('is a PNG that breaks off', async () => {
    const whole = await png(
      Array.from({ length: 3000 }, (_, i) => (i * i) % 251),
      3,
    );
    const half = whole.subarray(0, Math.floor(whole.length / 2));
    await expect(readInput(half, 'depth_map')).rejects.toThrow("The job's depth_map cannot be read");
  });

  it('is one of more pixels than the limit', async () => {
    const wide = await sharp({ create: { width: 16_400, height: 1024, channels: 3, background: 'red' } })
      .png()
      .toBuffer();
    await expect(readInput(wide, 'image')).rejects.toThrow('exceeds pixel limit');
  });
});
