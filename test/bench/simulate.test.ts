import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { poissonLoad } from '../../bench/batching/load.ts';
import { closedBatch, continuous, oneAtATime, simulate } from '../../bench/batching/simulate.ts';
import { mean, median, percentile } from '../../bench/stats.ts';

const flat = (): number => 10;
const proportional = (samples: number): number => 10 * samples;
const two = [
  { id: 'a', arrivedAtMs: 0, steps: 2 },
  { id: 'b', arrivedAtMs: 5, steps: 1 },
  { id: 'c', arrivedAtMs: 12, steps: 1 },
];

describe('batching in virtual time', () => {
  it('runs requests one after another when each is alone', () => {
    expect(simulate(two, oneAtATime, flat)).toEqual({
      latenciesMs: [20, 25, 28],
      spanMs: 40,
      averageBatch: 1,
    });
  });

  it('lets nobody into a closed batch until its last member is done', () => {
    expect(simulate(two, closedBatch(4), flat)).toEqual({
      latenciesMs: [20, 25, 18],
      spanMs: 30,
      averageBatch: 4 / 3,
    });
  });

  it('lets a newcomer into a continuous batch at the next step', () => {
    expect(simulate(two, continuous(4), flat).latenciesMs).toEqual([20, 15, 18]);
  });

  it('gains nothing from batches where a call costs as much as its samples alone', () => {
    const load = poissonLoad({ seed: 3, requests: 50, meanGapMs: 40, minSteps: 2, maxSteps: 9 });
    const alone = simulate(load, oneAtATime, proportional);
    const together = simulate(load, continuous(8), proportional);
    expect(together.spanMs).toBeCloseTo(alone.spanMs, 6);
  });

  it('ends every request, whatever the load and the policy', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 8 }), (seed, size) => {
        const load = poissonLoad({ seed, requests: 30, meanGapMs: 25, minSteps: 1, maxSteps: 6 });
        for (const policy of [oneAtATime, closedBatch(size), continuous(size)]) {
          expect(simulate(load, policy, flat).latenciesMs).toHaveLength(30);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('repeats a load from its seed, with gaps of the asked mean', () => {
    const shape = { seed: 9, requests: 5_000, meanGapMs: 20, minSteps: 8, maxSteps: 40 };
    expect(poissonLoad(shape)).toEqual(poissonLoad(shape));
    expect((poissonLoad(shape).at(-1)?.arrivedAtMs ?? 0) / 5_000).toBeCloseTo(20, 0);
  });
});

describe('statistics', () => {
  it('are values that were measured, never interpolated', () => {
    expect(percentile([4, 1, 3, 2], 50)).toBe(2);
    expect(percentile([4, 1, 3, 2], 95)).toBe(4);
    expect(median([7])).toBe(7);
    expect(mean([1, 2, 6])).toBe(3);
  });

  it('refuse an empty list', () => {
    expect(() => median([])).toThrow('no samples');
    expect(() => mean([])).toThrow('no samples');
  });
});
