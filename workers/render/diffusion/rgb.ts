/** Decoded planes -> 8-bit pixels, with the roundings of diffusers' image processor. */
import type { RawImage } from '../image/raw-image.ts';

/** A decoder's value, about -1..1 -> 0..1, in float32. */
export function toUnitInterval(value: number): number {
  return Math.min(Math.max(Math.fround(value * 0.5 + 0.5), 0), 1);
}

/** `[3, height, width]` about -1..1 -> `[height, width, 3]` in 0..255. */
export function toRgb(
  planes: Float32Array,
  size: { readonly width: number; readonly height: number },
): RawImage {
  const { width, height } = size;
  const area = width * height;
  // This array clamps, and rounds ties to even on assignment (ECMA-262, ToUint8Clamp), as numpy does.
  const rgb = new Uint8ClampedArray(3 * area);
  for (let channel = 0; channel < 3; channel++) {
    for (let i = 0; i < area; i++) {
      rgb[3 * i + channel] = Math.fround(toUnitInterval(planes[channel * area + i]!) * 255);
    }
  }
  return { width, height, rgb: new Uint8Array(rgb.buffer) };
}
