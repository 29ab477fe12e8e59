import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config.ts';
import { formatByteSize, parseByteSize } from '../../src/domain/byte-size.ts';
import { budgetBytes, fits, refusalOf, roomForWork, type MemoryUse } from '../../src/domain/residency.ts';

const MB = 1e6;
const EMPTY: MemoryUse = { claimedBytes: 0, bytesToCome: 0, workBytes: 0, privateBytes: 0, freeBytes: 1e12 };

describe('amounts of memory', () => {
  test.each([
    ['6GB', 6e9],
    ['512MB', 512e6],
    ['2GiB', 2 ** 31],
    ['1.5 gib', 1.5 * 2 ** 30],
    ['250000000', 25e7],
    ['8kib', 8192],
  ])('%s is %d bytes', (text, bytes) => {
    expect(parseByteSize(text)).toBe(bytes);
  });

  test.each(['', 'GB', '6 G B', '-1GB', '6XB', '1e9', '99999999TB'])('"%s" is none', (text) => {
    expect(parseByteSize(text)).toBeUndefined();
  });

  test('are told in the largest unit that fits', () => {
    expect([999, 15e5, 5.24e9].map(formatByteSize)).toEqual(['999 B', '1.5 MB', '5.2 GB']);
  });
});

describe('the settings', () => {
  test('name the budget and the pinned models', () => {
    const config = loadConfig({ KILN_VRAM_BUDGET: '6GB', KILN_PINNED_MODELS: 'a, b,,a' });
    expect(config).toMatchObject({ memoryBudget: 6e9, pinnedModels: ['a', 'b'] });
    expect(loadConfig({})).toMatchObject({ memoryBudget: null, pinnedModels: [] });
  });

  test.each(['much', '0', '0GB'])('with a budget of "%s" are refused', (KILN_VRAM_BUDGET) => {
    expect(() => loadConfig({ KILN_VRAM_BUDGET })).toThrow(
      `KILN_VRAM_BUDGET is ${KILN_VRAM_BUDGET}: it must be`,
    );
  });
});

describe('the budget', () => {
  test('is what the setting says, else a share of what the device has', () => {
    expect(budgetBytes(5 * MB, 'cpu', 100 * MB)).toBe(5 * MB);
    expect(budgetBytes(null, 'cpu', 100 * MB)).toBe(60 * MB);
    expect(budgetBytes(null, 'cuda', 100 * MB)).toBe(85 * MB);
  });

  test('refuses what is larger than itself, with both numbers', () => {
    expect(refusalOf(6e9, 6e9)).toBeNull();
    expect(refusalOf(6.1e9, 6e9)).toBe(
      'it needs 6.1 GB of memory, more than the budget of 6.0 GB (KILN_VRAM_BUDGET)',
    );
  });
});

describe('a model fits', () => {
  const budget = { total: 1000 * MB, own: 50 * MB };

  test('when all weights, the process itself and the work of a sample stay within the budget', () => {
    expect(fits({ ...EMPTY, claimedBytes: 950 * MB }, budget)).toBe(true);
    expect(fits({ ...EMPTY, claimedBytes: 951 * MB }, budget)).toBe(false);
    expect(fits({ ...EMPTY, claimedBytes: 920 * MB, workBytes: 30 * MB }, budget)).toBe(true);
    expect(fits({ ...EMPTY, claimedBytes: 921 * MB, workBytes: 30 * MB }, budget)).toBe(false);
  });

  test('with no more than a twentieth reserved for work', () => {
    expect(fits({ ...EMPTY, claimedBytes: 900 * MB, workBytes: 1e12 }, budget)).toBe(true);
    expect(fits({ ...EMPTY, claimedBytes: 901 * MB, workBytes: 1e12 }, budget)).toBe(false);
  });

  test('when what the process really holds leaves room for it', () => {
    expect(fits({ ...EMPTY, privateBytes: 700 * MB, bytesToCome: 400 * MB }, budget)).toBe(true);
    expect(fits({ ...EMPTY, privateBytes: 701 * MB, bytesToCome: 400 * MB }, budget)).toBe(false);
  });

  test('when the device has that much free, and half as much again', () => {
    expect(fits({ ...EMPTY, bytesToCome: 100 * MB, freeBytes: 150 * MB }, budget)).toBe(true);
    expect(fits({ ...EMPTY, bytesToCome: 100 * MB, freeBytes: 149 * MB }, budget)).toBe(false);
  });

  test('into a budget that the process itself would eat up as if the process took nothing', () => {
    const small = { total: 100 * MB, own: 50 * MB };
    expect(fits({ ...EMPTY, claimedBytes: 100 * MB, privateBytes: 400 * MB }, small)).toBe(true);
  });
});

test('what is left for batches is the least of what the budget, the process and the device leave', () => {
  const budget = { total: 1000 * MB, own: 50 * MB };
  const use = { claimedBytes: 450 * MB, bytesToCome: 0, privateBytes: 100 * MB, freeBytes: 1e12 };
  expect(roomForWork(use, budget)).toBe(500 * MB);
  expect(roomForWork({ ...use, freeBytes: 3 * MB }, budget)).toBe(3 * MB);
  expect(roomForWork({ ...use, privateBytes: 2000 * MB }, budget)).toBe(0);
});
