/** Makes the sampler a request names, on the noise schedule its model was trained with. */
import type { SamplerName } from '../../../../src/contract/samplers.ts';
import type { NoiseScheduleConfig } from '../noise-schedule.ts';
import { DdimSampler } from './ddim.ts';
import { DdpmSampler } from './ddpm.ts';
import { Dpmpp2mSampler } from './dpmpp-2m.ts';
import { Dpmpp2mSdeSampler } from './dpmpp-2m-sde.ts';
import { EulerAncestralSampler } from './euler-ancestral.ts';
import { EulerSampler } from './euler.ts';
import { LcmSampler } from './lcm.ts';
import { PndmSampler } from './pndm.ts';
import type { Sampler } from './sampler.ts';
import { UniPcSampler } from './unipc.ts';

/**
 * A new sampler, for one sample. What the file does not state takes the defaults of the sampler's own class: a file
 * written for PNDM that names no spacing gives DDIM the leading one and DPM-Solver++ the linspace one.
 * Throws when `steps` or the model's prediction type does not suit the sampler.
 */
export function createSampler(name: SamplerName, config: NoiseScheduleConfig, steps: number): Sampler {
  switch (name) {
    case 'ddim':
      return new DdimSampler(config, steps);
    case 'euler':
      return new EulerSampler(config, steps);
    case 'euler_a':
      return new EulerAncestralSampler(config, steps);
    case 'pndm':
      return new PndmSampler(config, steps);
    case 'dpmpp_2m':
      return new Dpmpp2mSampler(config, steps, false);
    case 'dpmpp_2m_karras':
      return new Dpmpp2mSampler(config, steps, true);
    case 'dpmpp_2m_sde':
      return new Dpmpp2mSdeSampler(config, steps);
    case 'unipc':
      return new UniPcSampler(config, steps);
    case 'lcm':
      return new LcmSampler(config, steps);
    case 'ddpm':
      return new DdpmSampler(config, steps);
  }
}

/** The sampler that a model's file names as its own, or null when Kiln has none that follows the file. */
export function ownSampler(config: NoiseScheduleConfig): SamplerName | null {
  const isKarras = config.useKarrasSigmas === true;
  switch (config.className) {
    case 'DDIMScheduler':
      return 'ddim';
    case 'DDPMScheduler':
      return 'ddpm';
    case 'EulerDiscreteScheduler':
      return 'euler';
    case 'EulerAncestralDiscreteScheduler':
      return 'euler_a';
    case 'LCMScheduler':
      return 'lcm';
    case 'PNDMScheduler':
      return 'pndm';
    case 'UniPCMultistepScheduler':
      return isKarras ? null : 'unipc';
    case 'DPMSolverMultistepScheduler':
      return dpmSolver(config.algorithmType, isKarras);
    case null:
    default:
      return null;
  }
}

/** One class of diffusers holds solvers of the ODE and of the SDE, on two kinds of predictions. */
function dpmSolver(algorithm: string | null, isKarras: boolean): SamplerName | null {
  switch (algorithm) {
    case null:
    case 'dpmsolver++':
      return isKarras ? 'dpmpp_2m_karras' : 'dpmpp_2m';
    case 'sde-dpmsolver++':
      return isKarras ? null : 'dpmpp_2m_sde';
    default:
      return null;
  }
}
