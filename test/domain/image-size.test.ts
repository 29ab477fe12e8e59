import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sizeLike } from '../../src/domain/image-size.ts';

test.each([
  ['a size that fits as it is', { width: 512, height: 384 }, '512x384'],
  ['cut down to whole cells', { width: 519, height: 391 }, '512x384'],
  ['scaled down to the largest side', { width: 2_048, height: 1_024 }, '1024x512'],
  ['to the exact limit whatever the division leaves', { width: 1_500, height: 1_500 }, '1024x1024'],
  ['scaled up to the smallest side', { width: 32, height: 48 }, '64x96'],
  ['bent when no scale fits', { width: 10_000, height: 10 }, '1024x64'],
])('an image gives %s', (_what, image, expected) => {
  const { width, height } = sizeLike(image, {});
  expect(`${width}x${height}`).toBe(expected);
});

test('one side that is given keeps the shape, two are taken as they are', () => {
  const image = { width: 1_600, height: 1_200 };
  expect(sizeLike(image, { width: 512 })).toEqual({ width: 512, height: 384 });
  expect(sizeLike(image, { height: 384 })).toEqual({ width: 512, height: 384 });
  expect(sizeLike(image, { width: 64, height: 1_024 })).toEqual({ width: 64, height: 1_024 });
});

test('every image gives a size that a request may have, and nearly its shape unless that is extreme', () => {
  const side = fc.integer({ min: 1, max: 20_000 });
  fc.assert(
    fc.property(side, side, (width, height) => {
      const size = sizeLike({ width, height }, {});
      for (const one of [size.width, size.height]) {
        expect(one % 8).toBe(0);
        expect(one).toBeGreaterThanOrEqual(64);
        expect(one).toBeLessThanOrEqual(1_024);
      }
      const shape = width / height;
      if (shape < 1 / 15 || shape > 15) return;
      expect(Math.abs(Math.log(size.width / size.height / shape))).toBeLessThan(Math.log(1 + 8 / 64));
    }),
  );
});
