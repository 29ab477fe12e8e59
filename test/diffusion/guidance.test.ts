import { expect, it } from 'vitest';
import { guide } from '../../workers/render/diffusion/guidance.ts';

const negative = Float32Array.of(0, 0, 0, 0);
const prompted = Float32Array.of(-3, -1, 1, 3);

it('one row passes through, whatever the settings', () => {
  expect(guide([prompted], { guidanceScale: 1, guidanceRescale: 1 })).toBe(prompted);
});

it('two rows lead from the first through the second and beyond', () => {
  const start = Float32Array.of(1, 1, 1, 1);
  expect([...guide([start, prompted], { guidanceScale: 2, guidanceRescale: 0 })]).toEqual([-7, -3, 1, 5]);
});

it.each([
  [0, [-12, -4, 4, 12]],
  [0.5, [-7.5, -2.5, 2.5, 7.5]],
  [1, [-3, -1, 1, 3]],
])('a rescale of %d takes that share of the added deviation back', (guidanceRescale, wanted) => {
  expect([...guide([negative, prompted], { guidanceScale: 4, guidanceRescale })]).toEqual(wanted);
});

it('the rescale keeps the mean in proportion, as torch.std and a product do', () => {
  const lifted = Float32Array.of(1, 2, 3, 6);
  const guided = guide([Float32Array.of(1, 0, 2, 1), lifted], { guidanceScale: 3, guidanceRescale: 0.7 });
  // Guided by 3: 1, 6, 5, 16; deviations with Bessel's correction: sqrt(14 / 3) and sqrt(122 / 3).
  const factor = 0.7 * Math.sqrt(14 / 122) + 0.3;
  for (const [i, value] of [1, 6, 5, 16].entries()) expect(guided[i]).toBeCloseTo(value * factor, 5);
});

it('an output that is the same everywhere stays as it is', () => {
  const flat = Float32Array.of(2, 2);
  expect([...guide([flat, flat], { guidanceScale: 5, guidanceRescale: 1 })]).toEqual([2, 2]);
});

it('an overflow stays visible as numbers that are not finite', () => {
  const wild = guide([negative, prompted], { guidanceScale: Number.MAX_VALUE, guidanceRescale: 0.5 });
  expect(wild.every(Number.isFinite)).toBe(false);
});
