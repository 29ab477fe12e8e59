import { describe, expect, it } from 'vitest';
import {
  parseNoiseScheduleConfig,
  withPipelineRules,
} from '../../workers/render/diffusion/noise-schedule.ts';
import { alphasCumprod, zeroTerminalSnr } from '../../workers/render/diffusion/noise-tables.ts';
import { modelSigmas } from '../../workers/render/diffusion/sigmas.ts';
import { roundHalfEven, spacedTimesteps } from '../../workers/render/diffusion/timesteps.ts';

const STABLE_DIFFUSION = { beta_start: 0.00085, beta_end: 0.012, beta_schedule: 'scaled_linear' };

const table = (json: object): Float32Array => alphasCumprod(parseNoiseScheduleConfig(json));

describe('the noise schedule', () => {
  it.each([
    [0, 0.99915],
    [1, 0.998296],
    [20, 0.9813143],
    [500, 0.27633247],
    [981, 0.005775496],
    [999, 0.004660095],
  ])('keeps at timestep %d of Stable Diffusion the signal that torch computes', (timestep, value) => {
    expect(table(STABLE_DIFFUSION)[timestep]! / value).toBeCloseTo(1, 6);
  });

  it.each([
    [20, 0.99864972 ** 2],
    [500, 0.33127463],
    [999, 0.000733412],
  ])('does so at timestep %d of the upscaler', (timestep, value) => {
    const upscaler = { beta_start: 0.0001, beta_end: 0.02, beta_schedule: 'scaled_linear' };
    expect(table(upscaler)[timestep]! / value).toBeCloseTo(1, 6);
  });

  it('ends in pure noise after the zero-terminal-SNR rescale', () => {
    const rescaled = zeroTerminalSnr(table(STABLE_DIFFUSION));
    expect(rescaled[500]! / 0.24101864).toBeCloseTo(1, 6);
    expect(rescaled[998]! / 1.968e-7).toBeCloseTo(1, 3);
    expect(rescaled[999]).toBe(0);
  });

  it('has a sigma of 4096 for the pure noise at its end, where the true one would be infinite', () => {
    const sigmas = modelSigmas(
      parseNoiseScheduleConfig({
        ...STABLE_DIFFUSION,
        rescale_betas_zero_snr: true,
        prediction_type: 'v_prediction',
      }),
    );
    expect(sigmas[999]).toBeCloseTo(4096, 2);
    expect(sigmas[998]! / Math.sqrt(1 / 1.968e-7)).toBeCloseTo(1, 3);
    expect(modelSigmas(parseNoiseScheduleConfig(STABLE_DIFFUSION))[999]).toBeCloseTo(14.614647, 4);
  });

  it('follows the linear, the cosine and the listed betas', () => {
    expect(table({})[1]).toBeCloseTo((1 - 0.0001) * (1 - (0.0001 + 0.0199 / 999)), 7);
    expect(table({ beta_schedule: 'squaredcos_cap_v2' })[499]).toBeCloseTo(
      Math.cos(((0.5 + 0.008) / 1.008) * (Math.PI / 2)) ** 2 / Math.cos((0.008 / 1.008) * (Math.PI / 2)) ** 2,
      5,
    );
    expect([...table({ trained_betas: [0.5, 0.5] })]).toEqual([0.5, 0.25]);
  });

  it('keeps only what stands in the file', () => {
    const config = parseNoiseScheduleConfig({ ...STABLE_DIFFUSION, prediction_type: null });
    expect(config.betaStart).toBe(0.00085);
    expect(config.predictionType).toBeNull();
    expect(config.timestepSpacing).toBeNull();
  });

  it.each([
    [
      { prediction_type: 'flow' },
      /"prediction_type" is "flow", but must be one of epsilon, v_prediction, sample/,
    ],
    [{ beta_schedule: 'exp' }, /"beta_schedule" is "exp"/],
    [{ beta_start: 2 }, /"beta_start" is 2, but must be a number between 0 and 1/],
    [{ num_train_timesteps: 1.5 }, /"num_train_timesteps" is 1.5/],
    [{ trained_betas: [0.1, 'x'] }, /"trained_betas" is \[0.1,"x"\]/],
    [{ original_inference_steps: 1 }, /"original_inference_steps" is 1, but must be a whole number/],
    [{ timestep_scaling: 0 }, /"timestep_scaling" is 0, but must be a number above 0/],
    [
      { rescale_betas_zero_snr: true },
      /"rescale_betas_zero_snr" is true, but "prediction_type" is "epsilon"/,
    ],
    [
      { rescale_betas_zero_snr: true, prediction_type: 'epsilon', timestep_spacing: 'leading' },
      /needs "v_prediction" or "sample"/,
    ],
    [{ thresholding: true }, /"thresholding" is true/],
    [[], /must hold a JSON object/],
  ])('refuses %j with the key, the value and what it may be', (json, message) => {
    expect(() => parseNoiseScheduleConfig(json)).toThrow(message);
  });

  it('starts at timestep 1 and never clips in text-to-image, if its own file is old or says otherwise', () => {
    const stated = parseNoiseScheduleConfig({ steps_offset: 0, clip_sample: true });
    const silent = parseNoiseScheduleConfig({});
    for (const kind of ['txt2img', 'img2img'] as const) {
      for (const isOwn of [true, false]) {
        expect(withPipelineRules(stated, kind, isOwn)).toMatchObject({ stepsOffset: 1, clipSample: false });
      }
      expect(withPipelineRules(silent, kind, true)).toMatchObject({ stepsOffset: 1, clipSample: false });
      expect(withPipelineRules(silent, kind, false)).toEqual(silent);
    }
  });

  it('clips as its file says when it inpaints, and is followed to the letter by depth and upscaling', () => {
    const stated = parseNoiseScheduleConfig({ steps_offset: 0, clip_sample: true });
    expect(withPipelineRules(stated, 'inpaint', true)).toMatchObject({ stepsOffset: 1, clipSample: true });
    expect(withPipelineRules(stated, 'depth', true)).toEqual(stated);
    expect(withPipelineRules(stated, 'upscale', true)).toEqual(stated);
  });
});

describe('spaced timesteps', () => {
  const spaced = (spacing: string, steps: number, family: 'discrete' | 'continuous' | 'interval'): number[] =>
    spacedTimesteps(parseNoiseScheduleConfig({ timestep_spacing: spacing }), steps, {
      family,
      defaultSpacing: 'leading',
    });

  it('keep the fractions of the linspace spacing for continuous samplers only', () => {
    expect(spaced('linspace', 8, 'continuous')[1]).toBe(Math.fround((999 / 7) * 6));
    expect(spaced('linspace', 8, 'discrete')[1]).toBe(856);
  });

  it('leave out the last point for interval samplers', () => {
    expect(spaced('linspace', 3, 'interval')).toEqual([999, 666, 333]);
    expect(spaced('leading', 3, 'interval')).toEqual([750, 500, 250]);
  });

  it('round ties as numpy does', () => {
    expect([0.5, 1.5, 2.5, 2.4, 2.6].map(roundHalfEven)).toEqual([0, 2, 2, 2, 3]);
    expect(spaced('trailing', 16, 'discrete').slice(0, 4)).toEqual([999, 937, 874, 811]);
  });

  it('refuse to start beyond the last timestep', () => {
    const config = parseNoiseScheduleConfig({ steps_offset: 1 });
    expect(() => spacedTimesteps(config, 1000, { family: 'discrete', defaultSpacing: 'leading' })).toThrow(
      /start at 1000, but the last is 999/,
    );
  });
});
