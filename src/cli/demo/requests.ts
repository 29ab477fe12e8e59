import type { CreateTxt2Img } from '../../contract/create-job.ts';

const MODEL = 'pocket-base';
/** Where this small model draws best; the usual 7.5 makes its colours harsh. */
const GUIDANCE_SCALE = 4;

/**
 * Twelve jobs of different sizes, step counts, samplers and guidance; those of one size share their batches. DDIM is
 * not among them: as in diffusers it clips its prediction unless the model's own settings turn that off, and this
 * model's do not.
 */
export const DEMO_JOBS: readonly CreateTxt2Img[] = [
  scene('a large red sphere left of a small blue cube on a grey floor at sunset', { seed: 6 }),
  scene('a small yellow cone on a green floor by day', { seed: 21, sampler: 'pndm', steps: 30 }),
  scene('a large green cylinder on a brown floor at night', { seed: 3, sampler: 'euler', steps: 24 }),
  scene('a purple cube right of an orange sphere on a grey floor by day', {
    seed: 6,
    sampler: 'dpmpp_2m_karras',
    steps: 24,
  }),
  scene('a large cyan cone on a blue floor at sunset', { seed: 5, sampler: 'dpmpp_2m_karras', steps: 16 }),
  scene('a white sphere and a red cone on a green floor at night', { seed: 9, steps: 12 }),
  scene('a large orange cube on a blue floor at sunset', { seed: 8, guidance_scale: 5 }),
  scene('a blue sphere left of a green sphere on a grey floor by day', { seed: 5, guidance_scale: 3 }),
  scene('a large purple cone on a brown floor at sunset', { seed: 1, height: 160, sampler: 'euler' }),
  scene('a white cylinder on a grey floor at night', { seed: 4, height: 160, sampler: 'pndm', steps: 30 }),
  scene('a yellow cube left of a cyan cone on a grey floor at sunset', { seed: 6, width: 160 }),
  scene('a large red cylinder on a green floor by day', { seed: 4, width: 192, steps: 18 }),
];

function scene(prompt: string, rest: Omit<CreateTxt2Img, 'kind' | 'prompt'>): CreateTxt2Img {
  return { kind: 'txt2img', model: MODEL, prompt, guidance_scale: GUIDANCE_SCALE, ...rest };
}
