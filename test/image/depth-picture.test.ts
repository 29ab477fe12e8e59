import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { encodeDepthMap } from '../../workers/render/encode-image.ts';
import { depthPicture, resizeDepth } from '../../workers/render/image/depth-picture.ts';

/** Depth rises from left to right. */
const slope = {
  width: 8,
  height: 4,
  values: Float32Array.from({ length: 32 }, (_, i) => 3 + 0.25 * (i % 8)),
};

/** interpolate(arange(6) ** 2 of 2 x 3, size=(3, 4), mode='bicubic') */
const TORCH = [
  -0.8156435, -0.7471215, 0.643931, 2.3550317, 4.2128906, 6.3994141, 11.1015625, 14.9306641, 9.2414227,
  13.545948, 21.5591927, 27.5062962,
];

describe('depth resized', () => {
  it('is what torch interpolates', () => {
    const source = { width: 3, height: 2, values: Float32Array.of(0, 1, 4, 9, 16, 25) };
    const { values } = resizeDepth(source, { width: 4, height: 3 });
    for (const [i, value] of values.entries()) expect(Math.abs(value - TORCH[i]!)).toBeLessThan(1e-5);
  });

  it('stays itself at its own size', () => {
    expect(resizeDepth(slope, slope)).toEqual(slope);
  });
});

describe('a depth picture', () => {
  it('has the size of the image, white where it is nearest and black where it is farthest', () => {
    const { width, height, grey16 } = depthPicture(slope, { width: 64, height: 48 });
    expect([width, height]).toEqual([64, 48]);
    expect(Math.min(...grey16)).toBe(0);
    expect(Math.max(...grey16)).toBe(65_535);
    expect(grey16[0]! < grey16[32]! && grey16[32]! < grey16[63]!).toBe(true);
  });

  it('of one depth is black', () => {
    const flat = { width: 2, height: 1, values: Float32Array.of(5, 5) };
    expect([...depthPicture(flat, { width: 3, height: 1 }).grey16]).toEqual([0, 0, 0]);
  });

  it('is written as a PNG of 16-bit grey', async () => {
    const { bytes, contentType } = await encodeDepthMap(depthPicture(slope, { width: 64, height: 48 }));
    expect(contentType).toBe('image/png');
    expect(await sharp(bytes).metadata()).toMatchObject({
      space: 'grey16',
      channels: 1,
      width: 64,
      height: 48,
    });
  });
});
