import fc from 'fast-check';
import { expect, test } from 'vitest';
import { floatToHalf, halfToFloat } from '../../workers/render/onnx/half.ts';

const ALL_FINITE = Array.from({ length: 0x7c00 }, (_, half) => half);

test('every half survives the way to float and back, with its sign', () => {
  const signed = [...ALL_FINITE, 0x7c00].flatMap((half) => [half, half | 0x8000]);
  expect(signed.filter((half) => floatToHalf(halfToFloat(half)) !== half)).toEqual([]);
  expect(halfToFloat(floatToHalf(NaN))).toBeNaN();
});

test('a float becomes the nearest half, and the even one of two equally near', () => {
  const float = fc.float({ min: -70_000, max: 70_000, noNaN: true });
  fc.assert(
    fc.property(float, (value) => {
      const half = floatToHalf(Math.abs(value));
      const distance = (other: number): number => Math.abs(halfToFloat(other) - Math.abs(value));
      if (half === 0x7c00) return Math.abs(value) >= 65_520;
      const neighbours = [half - 1, half + 1].filter((other) => other >= 0 && other < 0x7c00);
      return neighbours.every(
        (other) => distance(half) < distance(other) || (distance(half) === distance(other) && half % 2 === 0),
      );
    }),
  );
  expect(floatToHalf(65_519.99)).toBe(0x7bff);
  expect(floatToHalf(65_520)).toBe(0x7c00);
  expect(floatToHalf(2 ** -25)).toBe(0);
  expect(floatToHalf(3 * 2 ** -25)).toBe(2);
});
