import { expect, test } from 'vitest';
import { deviceSeconds, msPerStep } from '../../src/domain/device-time.ts';

const SPEEDS = new Map([
  ['base.64x64', 2],
  ['base.512x512', 100],
  ['upscaler.1024x1024', 400],
]);

test('a lane that was measured needs what was measured', () => {
  expect(deviceSeconds('base.512x512', 50, SPEEDS)).toBe(5);
});

test('a size that was never run costs as much a pixel as the nearest that was', () => {
  expect(msPerStep('base.512x1024', SPEEDS)).toBe(200);
  expect(msPerStep('base.32x64', SPEEDS)).toBe(1);
});

test('a job of two stages needs the mean of both, the second at four times the size', () => {
  expect(msPerStep('base/upscaler.256x256', SPEEDS)).toBe((25 + 400) / 2);
});

test.each(['other.64x64', 'base/other.64x64', 'other/upscaler.64x64', 'no size'])(
  'nothing is said of %s',
  (lane) => {
    expect(deviceSeconds(lane, 1, SPEEDS)).toBeNull();
  },
);
