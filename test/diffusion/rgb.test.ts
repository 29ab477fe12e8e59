import { expect, it } from 'vitest';
import { toRgb } from '../../workers/render/diffusion/rgb.ts';

it('planes become interleaved bytes, clamped, with ties to even', () => {
  const planes = Float32Array.of(-2, -1, 0, 1, 2, 1 / 255);
  // 127.5 rounds to 128, the even neighbour.
  expect(toRgb(planes, { width: 2, height: 1 })).toEqual({
    width: 2,
    height: 1,
    rgb: Uint8Array.of(0, 128, 255, 0, 255, 128),
  });
});
