/**
 * Resizes as Pillow does, bit for bit: horizontally, rounded to 8 bits, then vertically; an equal side is left alone.
 * That is the order of Pillow up to 12. Pillow 13 shrinks the height first where it loses more than twice as many
 * pixels as the width (12.3: where it is over a hundred widths), and then differs by a rounding here and there.
 */
import type { GreyImage, RawImage, Size } from './raw-image.ts';
import { WEIGHT_BITS, resampleTaps, type ResizeFilter, type Taps } from './resample-weights.ts';

/** Half of one, so that the shift at the end rounds. */
const HALF = 1 << (WEIGHT_BITS - 1);

/** The image itself when it has that size already. Both sides of both sizes are at least 1. */
export function resize(image: RawImage, size: Size, filter: ResizeFilter): RawImage;
export function resize(image: GreyImage, size: Size, filter: ResizeFilter): GreyImage;
export function resize(image: RawImage | GreyImage, size: Size, filter: ResizeFilter): RawImage | GreyImage {
  const { width, height } = size;
  if (image.width === width && image.height === height) return image;
  const across = image.width === width ? null : resampleTaps(image.width, width, filter);
  const down = image.height === height ? null : resampleTaps(image.height, height, filter);
  if ('grey' in image) {
    const narrowed = across === null ? image.grey : greyAcross(image, across);
    return { width, height, grey: down === null ? narrowed : resampleDown(narrowed, width, down) };
  }
  const narrowed = across === null ? image.rgb : rgbAcross(image, across);
  return { width, height, rgb: down === null ? narrowed : resampleDown(narrowed, 3 * width, down) };
}

function rgbAcross({ width, height, rgb }: RawImage, taps: Taps): Uint8Array {
  const { first, count, weights, stride } = taps;
  const outputs = first.length;
  const out = new Uint8ClampedArray(3 * outputs * height);
  for (let y = 0, target = 0; y < height; y++) {
    const row = 3 * width * y;
    for (let x = 0; x < outputs; x++) {
      let [red, green, blue] = [HALF, HALF, HALF];
      let source = row + 3 * first[x]!;
      const end = x * stride + count[x]!;
      for (let k = x * stride; k < end; k++, source += 3) {
        const weight = weights[k]!;
        red = (red + Math.imul(rgb[source]!, weight)) | 0;
        green = (green + Math.imul(rgb[source + 1]!, weight)) | 0;
        blue = (blue + Math.imul(rgb[source + 2]!, weight)) | 0;
      }
      out[target++] = red >> WEIGHT_BITS;
      out[target++] = green >> WEIGHT_BITS;
      out[target++] = blue >> WEIGHT_BITS;
    }
  }
  return new Uint8Array(out.buffer);
}

function greyAcross({ width, height, grey }: GreyImage, taps: Taps): Uint8Array {
  const { first, count, weights, stride } = taps;
  const outputs = first.length;
  const out = new Uint8ClampedArray(outputs * height);
  for (let y = 0, target = 0; y < height; y++) {
    for (let x = 0; x < outputs; x++) {
      let sum = HALF;
      let source = width * y + first[x]!;
      const end = x * stride + count[x]!;
      for (let k = x * stride; k < end; k++) sum = (sum + Math.imul(grey[source++]!, weights[k]!)) | 0;
      out[target++] = sum >> WEIGHT_BITS;
    }
  }
  return new Uint8Array(out.buffer);
}

/** Row by row, so that memory is read in order: `rowBytes` is the width times the channels. */
function resampleDown(bytes: Uint8Array, rowBytes: number, taps: Taps): Uint8Array {
  const { first, count, weights, stride } = taps;
  const outputs = first.length;
  const out = new Uint8ClampedArray(rowBytes * outputs);
  const sums = new Int32Array(rowBytes);
  for (let y = 0; y < outputs; y++) {
    sums.fill(HALF);
    for (let k = 0; k < count[y]!; k++) {
      const weight = weights[y * stride + k]!;
      const row = rowBytes * (first[y]! + k);
      for (let i = 0; i < rowBytes; i++) sums[i] = (sums[i]! + Math.imul(bytes[row + i]!, weight)) | 0;
    }
    const target = rowBytes * y;
    for (let i = 0; i < rowBytes; i++) out[target + i] = sums[i]! >> WEIGHT_BITS;
  }
  return new Uint8Array(out.buffer);
}
