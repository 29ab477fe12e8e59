/** Makes the sampler a request names, on the noise schedule its model was trained with. */
import type { SamplerName } from '../../../../src/contract/samplers.ts';
import type { NoiseScheduleConfig } from '../noise-schedule.ts';
import { DdimSampler } from './ddim.ts';
import { Dpmpp2mSampler } from './dpmpp-2m.ts';
import { EulerSampler } from './euler.ts';
import { PndmSampler } from './pndm.ts';
import type { Sampler } from './sampler.ts';

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
    case 'pndm':
      return new PndmSampler(config, steps);
    case 'dpmpp_2m':
      return new Dpmpp2mSampler(config, steps, false);
    case 'dpmpp_2m_karras':
      return new Dpmpp2mSampler(config, steps, true);
  }
}

/** The sampler that a model's file names as its own, or null when Kiln has none of that class. */
export function ownSampler(config: NoiseScheduleConfig): SamplerName | null {
  switch (config.className) {
    case 'DDIMScheduler':
      return 'ddim';
    case 'EulerDiscreteScheduler':
      return 'euler';
    case 'PNDMScheduler':
      return 'pndm';
    case 'DPMSolverMultistepScheduler':
      return config.useKarrasSigmas === true ? 'dpmpp_2m_karras' : 'dpmpp_2m';
    case null:
    default:
      return null;
  }
}
