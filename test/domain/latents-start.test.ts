import { expect, test } from 'vitest';
import type { LatentsFacts } from '../../src/contract/latents.ts';
import { KilnError } from '../../src/domain/errors.ts';
import { startPoint } from '../../src/domain/latents-start.ts';
import { stepsOfJob } from '../../src/domain/job-steps.ts';
import { someParams } from '../support/jobs.ts';

const FACTS: LatentsFacts = {
  format: 'kiln.latents/1',
  kind: 'txt2img',
  model: 'pocket-base',
  vae: 'sha256:0',
  prompt: '0',
  sampler: 'ddim',
  steps: 4,
  strength: 1,
  eta: 0,
  seed: 1,
  width: 64,
  height: 64,
  step: 2,
  calls: 4,
};
const REQUEST = { init_latent: 'lat_1' };
const PARAMS = someParams({ seeds: [1] });
const LATENTS = { id: 'lat_1', facts: FACTS };

function faultsOf(action: () => unknown): string[] {
  try {
    action();
  } catch (error) {
    if (error instanceof KilnError)
      return error.faults.map(({ field, limit }) => `${field} ${String(limit)}`);
  }
  return [];
}

test('a job goes on where its latents are, and has only the rest to do', () => {
  const startFrom = startPoint({ ...REQUEST, start_step: 2 }, PARAMS, LATENTS);
  expect(startFrom).toEqual({ latents: 'lat_1', step: 2 });
  expect(stepsOfJob({ ...PARAMS, startFrom })).toBe(2);
  expect(stepsOfJob({ ...PARAMS, startFrom, endStep: 3 })).toBe(1);
  expect(startPoint({}, PARAMS, undefined)).toBeNull();
  expect(startPoint({ init_latent: null }, PARAMS, undefined)).toBeNull();
});

test('whatever decides about steps must be as it was', () => {
  const other = someParams({ seeds: [1], sampler: 'euler', steps: 5, eta: 0.5, width: 128 });
  expect(faultsOf(() => startPoint(REQUEST, other, LATENTS))).toEqual([
    'width 64',
    'sampler ddim',
    'steps 4',
    'eta 0',
  ]);
  const image = { ...other, ...PARAMS, kind: 'img2img', image: 'up_1', strength: 0.5 } as const;
  expect(faultsOf(() => startPoint(REQUEST, image, LATENTS))).toEqual(['kind txt2img', 'strength 1']);
});

test('steps that do not fit, and more images than latents, are refused', () => {
  expect(faultsOf(() => startPoint({ ...REQUEST, start_step: 3 }, PARAMS, LATENTS))).toEqual([
    'start_step 2',
  ]);
  expect(faultsOf(() => startPoint(REQUEST, { ...PARAMS, endStep: 2 }, LATENTS))).toEqual(['end_step 2']);
  expect(faultsOf(() => startPoint(REQUEST, someParams(), LATENTS))).toEqual(['images 1']);
  expect(faultsOf(() => startPoint(REQUEST, PARAMS, undefined))).toEqual(['init_latent undefined']);
});
