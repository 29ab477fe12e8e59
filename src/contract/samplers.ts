/** The samplers a job may ask for; one implementation file each under `workers/render/diffusion/samplers`. */
export const SAMPLER_NAMES = [
  'ddim',
  'euler',
  'pndm',
  'dpmpp_2m',
  'dpmpp_2m_karras',
  'euler_a',
  'unipc',
  'lcm',
  'dpmpp_2m_sde',
  'ddpm',
] as const;
export type SamplerName = (typeof SAMPLER_NAMES)[number];
