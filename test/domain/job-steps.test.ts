import { expect, test } from 'vitest';
import { stepsAtStrength, stepsOfJob } from '../../src/domain/job-steps.ts';
import { someParams } from '../support/jobs.ts';

test('strength leaves whole steps, cut as in diffusers', () => {
  expect(stepsAtStrength(50, 0.58)).toBe(28);
  expect(stepsAtStrength(50, 1)).toBe(50);
  expect(stepsAtStrength(4, 0.2)).toBe(0);
});

test('a job costs its steps times its images, over both stages', () => {
  const upscale = { model: 'x4', steps: 7, guidanceScale: 9, noiseLevel: 20, sampler: 'ddim' } as const;
  expect(stepsOfJob(someParams({ steps: 4, seeds: [1, 2] }))).toBe(8);
  expect(stepsOfJob(someParams({ steps: 4, seeds: [1, 2], upscale }))).toBe(22);
  const { upscale: _none, ...common } = someParams({ steps: 10, seeds: [1, 2] });
  expect(stepsOfJob({ ...common, kind: 'img2img', image: 'up_1', strength: 0.5 })).toBe(10);
  expect(stepsOfJob({ ...common, kind: 'upscale', image: 'up_1', noiseLevel: 20 })).toBe(20);
});
