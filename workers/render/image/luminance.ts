import type { GreyImage, RawImage } from './raw-image.ts';

/** ITU-R 601 luma in 16-bit fractions that sum to one, as Pillow's mode L has it: grey stays exactly as grey. */
export function luminance({ width, height, rgb }: RawImage): GreyImage {
  const grey = new Uint8Array(width * height);
  for (let i = 0, source = 0; i < grey.length; i++, source += 3) {
    const sum = 19_595 * rgb[source]! + 38_470 * rgb[source + 1]! + 7471 * rgb[source + 2]!;
    grey[i] = (sum + 0x8000) >> 16;
  }
  return { width, height, grey };
}
