import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FAULT_KINDS, makePlan, type PlanSize } from './plan.ts';

const SIZE: PlanSize = {
  jobs: 60,
  clients: 3,
  supervisors: 2,
  lockMs: 4_000,
  jobsPerFault: 12,
  kinds: FAULT_KINDS,
};

describe('the plan of a fault run', () => {
  it('is the same for the same seed and another for another', () => {
    expect(makePlan(7, SIZE)).toEqual(makePlan(7, SIZE));
    expect(makePlan(7, SIZE)).not.toEqual(makePlan(8, SIZE));
  });

  it('holds every kind of fault, freezes longer than a lock, and keys that differ', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 300 }), (seed, jobs) => {
        const plan = makePlan(seed, { ...SIZE, jobs });
        expect(new Set(plan.faults.map((fault) => fault.kind))).toEqual(new Set(FAULT_KINDS));
        expect(new Set(plan.jobs.map((job) => job.key)).size).toBe(jobs);
        const freezes = plan.faults.filter((fault) => fault.kind === 'supervisor_freeze');
        expect(Math.min(...freezes.map((fault) => fault.forMs))).toBeGreaterThan(SIZE.lockMs);
      }),
      { numRuns: 50 },
    );
  });

  it('submits jobs during the whole time of the faults', () => {
    const plan = makePlan(1, { ...SIZE, jobs: 200 });
    const lastFault = plan.faults.at(-1)?.atMs ?? 0;
    expect(plan.jobs.some((job) => job.submitAtMs < lastFault / 10)).toBe(true);
    expect(plan.jobs.some((job) => job.submitAtMs > (lastFault * 9) / 10)).toBe(true);
  });
});
