import { Type, type Static } from 'typebox';

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

const CLOSED = { additionalProperties: false } as const;

export const Sampler = Type.Object(
  {
    name: Type.Enum(SAMPLER_NAMES),
    description: Type.String(),
    stochastic: Type.Boolean({
      description: 'Adds noise on the way; a seed still gives one image, but more steps give another',
    }),
    takes_eta: Type.Boolean({ description: 'A job may set eta, from 0 (adds no noise) to 1' }),
    useful_steps: Type.Object(
      { from: Type.Integer(), to: Type.Integer() },
      { ...CLOSED, description: 'Where images are good and still gain from more steps' },
    ),
    max_steps: Type.Integer({ description: 'More are refused' }),
    is_default: Type.Boolean({ description: 'Taken when a job names no sampler' }),
  },
  { $id: 'Sampler', ...CLOSED },
);
export type Sampler = Static<typeof Sampler>;

export const SamplerList = Type.Object({ samplers: Type.Array(Sampler) }, { $id: 'SamplerList', ...CLOSED });
export type SamplerList = Static<typeof SamplerList>;
