import { expect, test } from 'vitest';
import {
  defaultMaxBatchSize,
  lackOfMemory,
  maxBatchSizeCap,
  type BatchMemory,
} from '../../src/domain/batch-limits.ts';

const GiB = 2 ** 30;
const sd21At512: BatchMemory = {
  device: 'cpu',
  freeBytes: 16 * GiB,
  peakChannels: 6_400,
  latentHeight: 64,
  latentWidth: 64,
};

test.each<{ title: string; memory: Partial<BatchMemory>; size: number }>([
  { title: 'a laptop with 16 GiB free takes the cap of the CPU', memory: {}, size: 8 },
  { title: 'a CPU with 4 GiB free takes five', memory: { freeBytes: 4 * GiB }, size: 5 },
  { title: 'four times the pixels take a quarter', memory: { latentHeight: 128, latentWidth: 128 }, size: 5 },
  { title: 'a GPU with 24 GiB free', memory: { device: 'cuda', freeBytes: 24 * GiB }, size: 19 },
  {
    title: 'a GPU with 141 GiB free takes the cap',
    memory: { device: 'cuda', freeBytes: 141 * GiB },
    size: 32,
  },
  { title: 'no room at all still tries one', memory: { freeBytes: 0 }, size: 1 },
])('max batch size: $title', ({ memory, size }) => {
  expect(defaultMaxBatchSize({ ...sd21At512, ...memory })).toBe(size);
});

test('the cap of a GPU is above that of a CPU, where batching gains little', () => {
  expect(maxBatchSizeCap('cuda')).toBeGreaterThan(maxBatchSizeCap('cpu'));
});

test('a picture whose maps alone are larger than the memory is known not to fit, with both numbers', () => {
  const x4At1024 = { ...sd21At512, peakChannels: 3_264, latentHeight: 1_024, latentWidth: 1_024 };
  expect(lackOfMemory({ ...x4At1024, freeBytes: 4 * GiB })).toMatch(/needs 9\.6 GB .* 4\.3 GB are free/);
  expect(lackOfMemory({ ...x4At1024, freeBytes: 12 * GiB })).toBeNull();
});
