import { describe, expect, it } from 'vitest';
import { SAMPLER_NAMES } from '../../src/contract/samplers.ts';
import { parseNoiseScheduleConfig } from '../../workers/render/diffusion/noise-schedule.ts';
import { createSampler } from '../../workers/render/diffusion/samplers/create-sampler.ts';
import { runToyModel } from '../support/toy-model.ts';

const CONFIG = {
  beta_start: 0.00085,
  beta_end: 0.012,
  beta_schedule: 'scaled_linear',
  timestep_spacing: 'trailing',
  rescale_betas_zero_snr: true,
  clip_sample: false,
};
/** PNDM divides by the signal, which is why its class in diffusers has no such rescale, and Kiln's none either. */
const RESCALING = SAMPLER_NAMES.filter((name) => name !== 'pndm');

describe('from pure noise', () => {
  it.each(
    RESCALING.flatMap((name) => (['v_prediction', 'sample'] as const).map((type) => [name, type] as const)),
  )('%s comes to finite latents of an image with %s', (name, type) => {
    const config = parseNoiseScheduleConfig({ ...CONFIG, prediction_type: type });
    const { timesteps, latents } = runToyModel(createSampler(name, config, { steps: 6 }));
    expect(timesteps[0]).toBe(999);
    expect(latents.every((value) => Math.abs(value) < 4)).toBe(true);
  });

  it.each(['euler', 'euler_a'] as const)('%s starts at 4096 times unit noise', (name) => {
    const config = parseNoiseScheduleConfig({ ...CONFIG, prediction_type: 'v_prediction' });
    const sampler = createSampler(name, config, { steps: 6 });
    expect(sampler.initNoiseSigma).toBeCloseTo(4096, 2);
    expect(sampler.inputScale(0) * sampler.initNoiseSigma).toBeCloseTo(1, 6);
  });

  it('PNDM keeps the schedule as it was before the rescale', () => {
    const run = (rescale: boolean): Float32Array => {
      const json = { ...CONFIG, prediction_type: 'v_prediction', rescale_betas_zero_snr: rescale };
      return runToyModel(createSampler('pndm', parseNoiseScheduleConfig(json), { steps: 6 })).latents;
    };
    expect(run(true)).toEqual(run(false));
  });
});
