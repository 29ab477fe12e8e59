import { expect, it } from 'vitest';
import { toPlanes, toRgb } from '../../workers/render/diffusion/rgb.ts';

it('planes become interleaved bytes, clamped, with ties to even', () => {
  const planes = Float32Array.of(-2, -1, 0, 1, 2, 1 / 255);
  // 127.5 rounds to 128, the even neighbour.
  expect(toRgb(planes, { width: 2, height: 1 })).toEqual({
    width: 2,
    height: 1,
    rgb: Uint8Array.of(0, 128, 255, 0, 255, 128),
  });
});

it('bytes become planes in -1..1, and come back as they were', () => {
  const rgb = Uint8Array.from({ length: 6 * 43 }, (_, i) => Math.min(i, 255));
  const image = { width: 43, height: 2, rgb };
  const planes = toPlanes(image);
  expect([planes[0], planes[2 * 43], planes.at(-1)]).toEqual([
    -1,
    Math.fround(2 * Math.fround(1 / 255) - 1),
    1,
  ]);
  expect(toRgb(planes, image)).toEqual(image);
});
