/** Pictures from a number, the same ones that the reference digests were made of. */
import { createHash } from 'node:crypto';
import type { Box, GreyImage, RawImage, Size } from '../../workers/render/image/raw-image.ts';

/** x' = 1664525 x + 1013904223 mod 2^32; the top byte of each. */
function noise(seed: number, bytes: number): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length: bytes }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 24;
  });
}

export function noisyRgb(seed: number, { width, height }: Size): RawImage {
  return { width, height, rgb: noise(seed, 3 * width * height) };
}

export function noisyGrey(seed: number, { width, height }: Size): GreyImage {
  return { width, height, grey: noise(seed, width * height) };
}

/** White in the box, and darker by `slope` with each pixel away from it. */
export function softMask({ width, height }: Size, box: Box, slope: number): GreyImage {
  const grey = Uint8Array.from({ length: width * height }, (_, i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    const across = Math.max(box.left - x, x - (box.left + box.width - 1), 0);
    const down = Math.max(box.top - y, y - (box.top + box.height - 1), 0);
    return Math.max(255 - slope * Math.max(across, down), 0);
  });
  return { width, height, grey };
}

export function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
