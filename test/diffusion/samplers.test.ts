import { describe, expect, it } from 'vitest';
import { SAMPLER_NAMES, type SamplerName } from '../../src/contract/samplers.ts';
import { parseNoiseScheduleConfig } from '../../workers/render/diffusion/noise-schedule.ts';
import { createSampler, ownSampler } from '../../workers/render/diffusion/samplers/create-sampler.ts';
import { TorchRandom } from '../../workers/render/diffusion/torch-random.ts';
import { runToyModel } from '../support/toy-model.ts';

const STABLE_DIFFUSION = { beta_start: 0.00085, beta_end: 0.012, beta_schedule: 'scaled_linear' };
const UPSCALER = { beta_start: 0.0001, beta_end: 0.02, beta_schedule: 'scaled_linear' };
const FIRST_ALPHA = { set_alpha_to_one: false, steps_offset: 1, clip_sample: false };

interface Golden {
  readonly title: string;
  readonly name: SamplerName;
  readonly config: object;
  readonly steps: number;
  readonly timesteps: readonly number[];
  /** The first three values and the sum of all 64. */
  readonly final: readonly [number, number, number, number];
}

// Computed with diffusers 0.40 (float32, CPU).
const GOLDEN: readonly Golden[] = [
  {
    title: 'PNDM, leading',
    name: 'pndm',
    config: { ...STABLE_DIFFUSION, ...FIRST_ALPHA },
    steps: 10,
    timesteps: [901, 801, 801, 701, 601, 501, 401, 301, 201, 101, 1],
    final: [-2.083807, -2.118665, -0.5708886, -10.72731],
  },
  {
    title: 'DDIM, leading',
    name: 'ddim',
    config: { ...STABLE_DIFFUSION, ...FIRST_ALPHA },
    steps: 10,
    timesteps: [901, 801, 701, 601, 501, 401, 301, 201, 101, 1],
    final: [-2.293275, -2.339255, -0.7020864, -16.55323],
  },
  {
    title: 'DDIM, v-prediction, upscaler betas',
    name: 'ddim',
    config: { ...UPSCALER, ...FIRST_ALPHA, prediction_type: 'v_prediction' },
    steps: 10,
    timesteps: [901, 801, 701, 601, 501, 401, 301, 201, 101, 1],
    final: [-0.4194029, -0.4297243, -0.1323379, -2.739413],
  },
  {
    title: 'DDIM, v-prediction, trailing, zero terminal SNR',
    name: 'ddim',
    config: {
      ...STABLE_DIFFUSION,
      ...FIRST_ALPHA,
      prediction_type: 'v_prediction',
      timestep_spacing: 'trailing',
      rescale_betas_zero_snr: true,
    },
    steps: 10,
    timesteps: [999, 899, 799, 699, 599, 499, 399, 299, 199, 99],
    final: [-0.3913885, -0.4012488, -0.1193565, -2.25369],
  },
  {
    title: 'Euler, leading',
    name: 'euler',
    config: { ...STABLE_DIFFUSION, steps_offset: 1, timestep_spacing: 'leading' },
    steps: 10,
    timesteps: [901, 801, 701, 601, 501, 401, 301, 201, 101, 1],
    final: [-2.252962, -2.297998, -0.6887678, -16.26669],
  },
  {
    title: 'Euler, linspace',
    name: 'euler',
    config: STABLE_DIFFUSION,
    steps: 10,
    timesteps: [999, 888, 777, 666, 555, 444, 333, 222, 111, 0],
    final: [-3.17097, -3.230006, -1.112277, -30.17273],
  },
  {
    title: 'Euler, trailing',
    name: 'euler',
    config: { ...STABLE_DIFFUSION, timestep_spacing: 'trailing' },
    steps: 4,
    timesteps: [999, 749, 499, 249],
    final: [-3.690804, -3.764605, -1.460748, -43.94509],
  },
  {
    title: 'DPM-Solver++ 2M, linspace, 10 steps',
    name: 'dpmpp_2m',
    config: STABLE_DIFFUSION,
    steps: 10,
    timesteps: [999, 899, 799, 699, 599, 500, 400, 300, 200, 100],
    final: [-2.713606, -2.773591, -0.8851754, -22.26277],
  },
  {
    title: 'DPM-Solver++ 2M, linspace, 20 steps',
    name: 'dpmpp_2m',
    config: STABLE_DIFFUSION,
    steps: 20,
    timesteps: [
      999, 949, 899, 849, 799, 749, 699, 649, 599, 549, 500, 450, 400, 350, 300, 250, 200, 150, 100, 50,
    ],
    final: [-2.699543, -2.759312, -0.8641185, -21.58866],
  },
  {
    title: 'DPM-Solver++ 2M, leading',
    name: 'dpmpp_2m',
    config: { ...STABLE_DIFFUSION, steps_offset: 1, timestep_spacing: 'leading' },
    steps: 10,
    timesteps: [901, 811, 721, 631, 541, 451, 361, 271, 181, 91],
    final: [-2.053667, -2.089403, -0.5844947, -11.75968],
  },
  {
    title: 'DPM-Solver++ 2M, Karras',
    name: 'dpmpp_2m_karras',
    config: STABLE_DIFFUSION,
    steps: 10,
    timesteps: [999, 916, 815, 687, 523, 327, 146, 41, 7, 0],
    final: [-2.459656, -2.513749, -0.7676044, -17.53654],
  },
  {
    title: 'Euler ancestral, leading',
    name: 'euler_a',
    config: { ...STABLE_DIFFUSION, steps_offset: 1, timestep_spacing: 'leading' },
    steps: 10,
    timesteps: [901, 801, 701, 601, 501, 401, 301, 201, 101, 1],
    final: [-2.077601, -0.7125711, 0.4395636, -10.67266],
  },
  {
    title: 'UniPC, linspace',
    name: 'unipc',
    config: STABLE_DIFFUSION,
    steps: 10,
    timesteps: [999, 899, 799, 699, 599, 500, 400, 300, 200, 100],
    final: [-2.691477, -2.750126, -0.8677918, -21.76647],
  },
  {
    title: 'UniPC, leading',
    name: 'unipc',
    config: { ...STABLE_DIFFUSION, steps_offset: 1, timestep_spacing: 'leading' },
    steps: 10,
    timesteps: [901, 811, 721, 631, 541, 451, 361, 271, 181, 91],
    final: [-2.049818, -2.08514, -0.5782893, -11.48875],
  },
  {
    title: 'LCM',
    name: 'lcm',
    config: STABLE_DIFFUSION,
    steps: 4,
    timesteps: [999, 759, 499, 259],
    final: [-2.675726, -1.194347, -0.4387331, -42.28368],
  },
];

describe('samplers', () => {
  it.each(GOLDEN)(
    '$title: $steps steps end where those of diffusers end',
    ({ name, config, steps, ...golden }) => {
      const { timesteps, latents } = runToyModel(
        createSampler(name, parseNoiseScheduleConfig(config), { steps }),
      );
      expect(timesteps).toEqual(golden.timesteps);
      const sum = latents.reduce((total, value) => total + value, 0);
      for (const [i, value] of [...latents.subarray(0, 3), sum].entries()) {
        expect(Math.abs(value / golden.final[i]! - 1)).toBeLessThan(1e-5);
      }
    },
  );

  it.each(SAMPLER_NAMES)('%s makes one step of one step, and refuses none or too many', (name) => {
    const config = parseNoiseScheduleConfig({ ...STABLE_DIFFUSION, ...FIRST_ALPHA });
    expect(runToyModel(createSampler(name, config, { steps: 1 })).latents.every(Number.isFinite)).toBe(true);
    expect(() => createSampler(name, config, { steps: 0 })).toThrow(/steps is 0/);
    expect(() => createSampler(name, config, { steps: 1001 })).toThrow(/1001/);
    expect(() => createSampler(name, config, { steps: 2.5 })).toThrow(/2\.5/);
  });

  it('gives Euler a start of sigma max, or of that and the signal left when the spacing is leading', () => {
    const linspace = createSampler('euler', parseNoiseScheduleConfig(STABLE_DIFFUSION), { steps: 10 });
    expect(linspace.initNoiseSigma).toBeCloseTo(14.614647, 5);
    const leading = parseNoiseScheduleConfig({
      ...STABLE_DIFFUSION,
      steps_offset: 1,
      timestep_spacing: 'leading',
    });
    expect(createSampler('euler', leading, { steps: 10 }).initNoiseSigma).toBeCloseTo(8.450067, 5);
  });

  it('takes a spacing from the file, and where it is silent from the class of the sampler', () => {
    const silent = parseNoiseScheduleConfig({
      ...STABLE_DIFFUSION,
      ...FIRST_ALPHA,
      _class_name: 'PNDMScheduler',
    });
    const first = (name: SamplerName): number => createSampler(name, silent, { steps: 10 }).timestep(0);
    expect(SAMPLER_NAMES.map(first)).toEqual([901, 999, 901, 999, 999, 999, 999, 999, 999, 901]);
  });

  it('clips the predicted clean sample of DDIM only when the schedule says so', () => {
    const step = (config: object): number | undefined =>
      createSampler('ddim', parseNoiseScheduleConfig(config), { steps: 1 }).step(
        0,
        Float32Array.of(9),
        Float32Array.of(1),
        new TorchRandom(0),
      )[0];
    const config = { ...STABLE_DIFFUSION, prediction_type: 'sample' };
    expect(step({ ...config, clip_sample: false })).toBeCloseTo(1, 6);
    expect(step({ ...config, clip_sample: true, clip_sample_range: 0.5 })).toBeCloseTo(0.5, 6);
  });

  it('gives LCM as many steps as its model was distilled on, and no more', () => {
    const config = parseNoiseScheduleConfig({ ...STABLE_DIFFUSION, original_inference_steps: 20 });
    expect(createSampler('lcm', config, { steps: 20 }).timestep(19)).toBe(49);
    expect(() => createSampler('lcm', config, { steps: 21 })).toThrow(
      /21, but LCM needs a whole number from 1 to 20/,
    );
    const tooMany = { ...config, originalInferenceSteps: 2000 };
    expect(() => createSampler('lcm', tooMany, { steps: 4 })).toThrow(
      /2000 steps, but has only 1000 timesteps/,
    );
  });

  it('refuses PNDM for a model that predicts the sample itself', () => {
    const config = parseNoiseScheduleConfig({ ...STABLE_DIFFUSION, prediction_type: 'sample' });
    expect(() => createSampler('pndm', config, { steps: 4 })).toThrow(/PNDM/);
  });

  it('finds the sampler that a published file was written for', () => {
    const own = (json: object): SamplerName | null => ownSampler(parseNoiseScheduleConfig(json));
    expect(own({ _class_name: 'PNDMScheduler' })).toBe('pndm');
    expect(own({ _class_name: 'DDIMScheduler' })).toBe('ddim');
    expect(own({ _class_name: 'EulerDiscreteScheduler' })).toBe('euler');
    expect(own({ _class_name: 'DPMSolverMultistepScheduler', use_karras_sigmas: true })).toBe(
      'dpmpp_2m_karras',
    );
    expect(own({ _class_name: 'DPMSolverMultistepScheduler', algorithm_type: 'sde-dpmsolver++' })).toBe(
      'dpmpp_2m_sde',
    );
    expect(own({ _class_name: 'EulerAncestralDiscreteScheduler' })).toBe('euler_a');
    expect(own({ _class_name: 'UniPCMultistepScheduler' })).toBe('unipc');
    expect(own({ _class_name: 'LCMScheduler' })).toBe('lcm');
    expect(own({ _class_name: 'DDPMScheduler' })).toBe('ddpm');
  });

  it('finds none for a class, a solver or a spacing that Kiln does not have', () => {
    const own = (json: object): SamplerName | null => ownSampler(parseNoiseScheduleConfig(json));
    expect(own({ _class_name: 'HeunDiscreteScheduler' })).toBeNull();
    expect(own({ _class_name: 'DPMSolverMultistepScheduler', algorithm_type: 'dpmsolver' })).toBeNull();
    expect(own({ _class_name: 'UniPCMultistepScheduler', use_karras_sigmas: true })).toBeNull();
    expect(own({})).toBeNull();
  });
});
