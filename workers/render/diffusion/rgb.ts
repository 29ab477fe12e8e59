/** Between 8-bit pixels and the planes that the networks know, with the roundings of diffusers' image processor. */
import type { RawImage, Size } from '../image/raw-image.ts';

const CHANNELS = 3;

/** A decoder's value, about -1..1 -> 0..1, in float32. */
export function toUnitInterval(value: number): number {
  return Math.min(Math.max(Math.fround(value * 0.5 + 0.5), 0), 1);
}

/** `[3, height, width]` about -1..1 -> `[height, width, 3]` in 0..255. */
export function toRgb(planes: Float32Array, { width, height }: Size): RawImage {
  const area = width * height;
  // This array clamps, and rounds ties to even on assignment (ECMA-262, ToUint8Clamp), as numpy does.
  const rgb = new Uint8ClampedArray(CHANNELS * area);
  for (let channel = 0; channel < CHANNELS; channel++) {
    for (let i = 0; i < area; i++) {
      rgb[CHANNELS * i + channel] = Math.fround(toUnitInterval(planes[channel * area + i]!) * 255);
    }
  }
  return { width, height, rgb: new Uint8Array(rgb.buffer) };
}

/** `[height, width, 3]` in 0..255 -> `[3, height, width]` in -1..1. */
export function toPlanes(image: RawImage): Float32Array {
  return toNormalizedPlanes(image, [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]);
}

/** `[height, width, 3]` in 0..255 -> `[3, height, width]`: of values in 0..1, those less the mean, over the deviation. */
export function toNormalizedPlanes(
  { width, height, rgb }: RawImage,
  mean: readonly number[],
  std: readonly number[],
): Float32Array {
  const area = width * height;
  const planes = new Float32Array(CHANNELS * area);
  for (let channel = 0; channel < CHANNELS; channel++) {
    for (let i = 0; i < area; i++) {
      const unit = Math.fround(rgb[CHANNELS * i + channel]! / 255);
      planes[channel * area + i] = (unit - mean[channel]!) / std[channel]!;
    }
  }
  return planes;
}
