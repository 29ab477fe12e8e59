/** What a caller should know of each sampler before choosing one. */
import type { SamplerName } from '../contract/samplers.ts';
import { LIMITS } from './limits.ts';

export interface SamplerFacts {
  readonly description: string;
  /** Whether it always adds fresh noise on the way, so that more steps lead to another image and not to the same one. */
  readonly stochastic: boolean;
  /** Whether a job may set eta, the share of noise added on the way. */
  readonly takesEta: boolean;
  /** Below, images are rough; above, they hardly change. Experience with guided Stable Diffusion, not a rule. */
  readonly usefulSteps: { readonly from: number; readonly to: number };
  readonly maxSteps: number;
}

export const SAMPLERS: Readonly<Record<SamplerName, SamplerFacts>> = {
  ddim: {
    ...sampler('DDIM: first order, steady; adds noise only as eta says', [30, 100]),
    takesEta: true,
  },
  euler: sampler('Euler on the probability-flow ODE: first order, simple and quick', [20, 50]),
  pndm: sampler('PNDM (PLMS): fourth-order multistep; one call more than steps', [25, 50]),
  dpmpp_2m: sampler('DPM-Solver++ 2M: second-order multistep, good from few steps on', [15, 30]),
  dpmpp_2m_karras: sampler('DPM-Solver++ 2M on Karras sigmas: more steps where noise is low', [15, 30]),
  euler_a: sampler('Euler ancestral: adds noise at every step, varied and soft', [20, 40], true),
  unipc: sampler('UniPC: predictor and corrector of second order, good from few steps on', [10, 25]),
  lcm: {
    ...sampler('For latent consistency models only: few steps, guidance scale of 1 to 2', [2, 8], true),
    // The timesteps such models are distilled on; a model's own file may name another count.
    maxSteps: 50,
  },
  dpmpp_2m_sde: sampler('DPM-Solver++ 2M on the SDE: adds noise at every step, detailed', [20, 40], true),
  ddpm: sampler('The original ancestral sampler: adds noise at every step, needs many', [50, 150], true),
};

function sampler(
  description: string,
  [from, to]: readonly [number, number],
  stochastic = false,
): SamplerFacts {
  return { description, stochastic, takesEta: false, usefulSteps: { from, to }, maxSteps: LIMITS.stepsMax };
}
