/**
 * What the mask did not ask to repaint comes back from the original. The arithmetic is that of diffusers'
 * `apply_overlay`, which composites in Pillow with premultiplied colours: three roundings, repeated here to the bit.
 */
import type { Box, GreyImage, RawImage, Size } from './raw-image.ts';
import { resizeCrop } from './resize-to-fit.ts';

export interface Overlay {
  /** White is repainted; grey mixes. The size of `original`. */
  readonly mask: GreyImage;
  readonly original: RawImage;
  /** What was painted for `box`, of any size; or, when that is null, for all of the original, of its size. */
  readonly rendered: RawImage;
  readonly box: Box | null;
}

/** An image of the original's size. Throws a RangeError when the sizes of the parts do not agree. */
export function applyOverlay({ mask, original, rendered, box }: Overlay): RawImage {
  const { width, height } = original;
  requireSize('mask', mask, original);
  if (box === null) requireSize('rendered image', rendered, original);
  const base = box === null ? rendered.rgb : placed(resizeCrop(rendered, box), box, original);
  const rgb = new Uint8Array(3 * width * height);
  for (let i = 0, byte = 0; i < width * height; i++) {
    const keep = 255 - mask.grey[i]!;
    for (let channel = 0; channel < 3; channel++, byte++) {
      rgb[byte] = composed(original.rgb[byte]!, keep, base[byte]!);
    }
  }
  return { width, height, rgb };
}

function requireSize(name: string, size: Size, original: Size): void {
  if (size.width === original.width && size.height === original.height) return;
  const sizes = `${size.width} x ${size.height}, not ${original.width} x ${original.height}`;
  throw new RangeError(`The ${name} of an overlay must have the size of the original: it is ${sizes}.`);
}

/** On black, which no mask lets through: the box holds all that is repainted. */
function placed(image: RawImage, box: Box, size: Size): Uint8Array {
  const rgb = new Uint8Array(3 * size.width * size.height);
  for (let y = 0; y < box.height; y++) {
    const row = image.rgb.subarray(3 * box.width * y, 3 * box.width * (y + 1));
    rgb.set(row, 3 * (size.width * (box.top + y) + box.left));
  }
  return rgb;
}

/** `over` with opacity `alpha` (0..255) upon an opaque `under`. */
function composed(over: number, alpha: number, under: number): number {
  if (alpha === 0) return under;
  const premultiplied = per255(over * alpha + 128);
  // Pillow leaves opaque colours alone, and truncates the others.
  const colour = alpha === 255 ? premultiplied : Math.min(Math.trunc((255 * premultiplied) / alpha), 255);
  // Seven more bits of precision, which only an under-layer that is transparent itself would need.
  const sum = (colour * alpha + under * (255 - alpha) + 128) << 7;
  return per255(sum) >> 7;
}

/** A division by 255 in shifts; the caller has added half of the divisor. */
function per255(value: number): number {
  return ((value >> 8) + value) >> 8;
}
