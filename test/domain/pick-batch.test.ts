import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PRIORITIES, type Priority } from '../../src/domain/job.ts';
import { dueAt, PATIENCE_MS, pickBatch, type WaitingSample } from '../../src/domain/pick-batch.ts';

const limits = { maxBatchSize: (lane: string) => (lane === 'wide' ? 8 : 2) };

function sample(id: string, facts: Partial<WaitingSample> = {}): WaitingSample {
  return { id, lane: 'base', priority: 'normal', arrivedAt: 0, solo: false, ...facts };
}

const cases: Array<{ title: string; samples: WaitingSample[]; picked: string[] }> = [
  { title: 'nothing waits: nothing is picked', samples: [], picked: [] },
  {
    title: 'the oldest go first, up to the limit of their lane',
    samples: [sample('c', { arrivedAt: 3 }), sample('a', { arrivedAt: 1 }), sample('b', { arrivedAt: 2 })],
    picked: ['a', 'b'],
  },
  {
    title: 'an interactive newcomer goes before bulk that runs',
    samples: [
      sample('old', { priority: 'bulk', arrivedAt: 0 }),
      sample('older', { priority: 'bulk', arrivedAt: -1 }),
      sample('new', { priority: 'interactive', arrivedAt: 50 }),
    ],
    picked: ['new', 'older'],
  },
  {
    title: 'bulk that has waited out its patience goes before an interactive newcomer',
    samples: [
      sample('new', { priority: 'interactive', arrivedAt: PATIENCE_MS.bulk + 1 }),
      sample('old', { priority: 'bulk', arrivedAt: 0 }),
    ],
    picked: ['old', 'new'],
  },
  {
    title: 'lanes never mix: the lane of the oldest head goes, even if another is fuller',
    samples: [
      sample('x', { lane: 'wide', arrivedAt: 5 }),
      sample('y', { lane: 'wide', arrivedAt: 5 }),
      sample('head', { arrivedAt: 4 }),
    ],
    picked: ['head'],
  },
  {
    title: 'a solo sample at the head runs alone',
    samples: [sample('suspect', { solo: true }), sample('b', { arrivedAt: 1 })],
    picked: ['suspect'],
  },
  {
    title: 'a solo sample is never taken along',
    samples: [sample('a'), sample('suspect', { solo: true, arrivedAt: 1 }), sample('c', { arrivedAt: 2 })],
    picked: ['a', 'c'],
  },
  {
    title: 'samples that are due together keep their order',
    samples: [sample('first'), sample('second'), sample('third')],
    picked: ['first', 'second'],
  },
];

describe('pickBatch', () => {
  test.each(cases)('$title', ({ samples, picked }) => {
    expect(pickBatch(samples, limits).map((one) => one.id)).toEqual(picked);
  });

  const anySample = fc.record({
    id: fc.uuid(),
    lane: fc.constantFrom('base', 'wide', 'other'),
    priority: fc.constantFrom(...PRIORITIES),
    arrivedAt: fc.integer({ min: 0, max: 200_000 }),
    solo: fc.boolean(),
  });

  test('stays within limits, keeps to one lane, leaves solo samples alone and serves the head', () => {
    fc.assert(
      fc.property(fc.array(anySample, { maxLength: 40 }), (samples) => {
        const batch = pickBatch(samples, limits);
        const [head] = batch;
        if (head === undefined) return samples.length === 0;
        expect(batch.length).toBeLessThanOrEqual(limits.maxBatchSize(head.lane));
        expect(new Set(batch.map((one) => one.lane)).size).toBe(1);
        expect(new Set(batch).size).toBe(batch.length);
        expect(batch.every((one) => samples.includes(one))).toBe(true);
        expect(batch.length === 1 || batch.every((one) => !one.solo)).toBe(true);
        expect(dueAt(head)).toBe(Math.min(...samples.map(dueAt)));
        return true;
      }),
    );
  });

  test('fills a lane: no sample of the head lane stays behind while there is room', () => {
    fc.assert(
      fc.property(fc.array(anySample, { minLength: 1, maxLength: 40 }), (samples) => {
        const batch = pickBatch(samples, limits);
        const head = batch[0]!;
        const willing = samples.filter((one) => one.lane === head.lane && !one.solo);
        const room = head.solo ? 1 : limits.maxBatchSize(head.lane);
        expect(batch.length).toBe(head.solo ? 1 : Math.min(room, willing.length));
      }),
    );
  });

  test('every sample is served within the steps of those due before it, whatever keeps arriving', () => {
    const arrival = fc.record({
      lane: fc.constantFrom('base', 'wide', 'other'),
      priority: fc.constantFrom<Priority>('interactive', 'interactive', 'normal', 'bulk'),
      gapMs: fc.integer({ min: 0, max: 30_000 }),
      steps: fc.integer({ min: 1, max: 10 }),
      solo: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(arrival, { minLength: 1, maxLength: 25 }), (arrivals) => {
        for (const run of simulate(arrivals)) {
          const before = run.all.filter((other) => dueAt(other) <= dueAt(run.sample) && other !== run.sample);
          const bound = before.reduce((sum, other) => sum + other.steps, 0);
          expect(run.stepsBeforeFirst).toBeLessThanOrEqual(bound);
        }
      }),
      { numRuns: 200 },
    );
  });
});

type Simulated = WaitingSample & { steps: number };

/** Runs the picker against a stream of arrivals, one second a step, until every sample is done. */
function simulate(arrivals: Array<Omit<Simulated, 'id' | 'arrivedAt'> & { gapMs: number }>) {
  let at = 0;
  const all: Simulated[] = arrivals.map(({ gapMs, ...facts }, index) => {
    at += gapMs;
    return { ...facts, id: String(index), arrivedAt: at };
  });
  const left = new Map(all.map((one) => [one, one.steps]));
  const waited = new Map<Simulated, number>();
  const runs: Array<{ sample: Simulated; stepsBeforeFirst: number; all: Simulated[] }> = [];
  for (let now = 0; left.size > 0; now += 1_000) {
    const present = [...left.keys()].filter((one) => one.arrivedAt <= now);
    const batch = pickBatch(present, limits);
    for (const one of batch) {
      if (left.get(one) === one.steps)
        runs.push({ sample: one, stepsBeforeFirst: waited.get(one) ?? 0, all });
      const rest = left.get(one)! - 1;
      if (rest === 0) left.delete(one);
      else left.set(one, rest);
    }
    for (const one of present) {
      if (!batch.includes(one) && left.get(one) === one.steps) waited.set(one, (waited.get(one) ?? 0) + 1);
    }
  }
  return runs;
}
