/** Makes the sampler a request names, on the noise schedule its model was trained with. */
import type { SamplerName } from '../../../../src/contract/samplers.ts';
import { SAMPLERS } from '../../../../src/domain/samplers.ts';
import type { NoiseScheduleConfig } from '../noise-schedule.ts';
import { DdimSampler } from './ddim.ts';
import { DdpmSampler } from './ddpm.ts';
import { Dpmpp2mSampler } from './dpmpp-2m.ts';
import { Dpmpp2mSdeSampler } from './dpmpp-2m-sde.ts';
import { EulerAncestralSampler } from './euler-ancestral.ts';
import { EulerSampler } from './euler.ts';
import { LcmSampler } from './lcm.ts';
import { PndmSampler } from './pndm.ts';
import type { Run, Sampler, SamplerOptions } from './sampler.ts';
import { UniPcSampler } from './unipc.ts';

/**
 * A new sampler, for one sample. What the file does not state takes the defaults of the sampler's own class: a file
 * written for PNDM that names no spacing gives DDIM the leading one and DPM-Solver++ the linspace one.
 * Throws when the steps, the strength, eta or the model's prediction type does not suit the sampler.
 */
export function createSampler(
  name: SamplerName,
  config: NoiseScheduleConfig,
  options: SamplerOptions,
): Sampler {
  const run: Run = { strength: 1, eta: 0, ...options };
  refuseUnusableEta(name, run.eta);
  switch (name) {
    case 'ddim':
      return new DdimSampler(config, run);
    case 'euler':
      return new EulerSampler(config, run);
    case 'euler_a':
      return new EulerAncestralSampler(config, run);
    case 'pndm':
      return new PndmSampler(config, run);
    case 'dpmpp_2m':
      return new Dpmpp2mSampler(config, run, false);
    case 'dpmpp_2m_karras':
      return new Dpmpp2mSampler(config, run, true);
    case 'dpmpp_2m_sde':
      return new Dpmpp2mSdeSampler(config, run);
    case 'unipc':
      return new UniPcSampler(config, run);
    case 'lcm':
      return new LcmSampler(config, run);
    case 'ddpm':
      return new DdpmSampler(config, run);
  }
}

function refuseUnusableEta(name: SamplerName, eta: number): void {
  if (!(eta >= 0 && eta <= 1)) throw new RangeError(`eta is ${eta}, but must be a number from 0 to 1`);
  if (eta > 0 && !SAMPLERS[name].takesEta) {
    throw new RangeError(`eta is ${eta}, but must be 0 with ${name}: only DDIM takes it`);
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
