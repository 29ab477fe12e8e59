import type { CreateJob } from '../../contract/job.ts';

const MODEL = 'pocket-base';
/** Where this small model draws best; the usual 7.5 makes its colours harsh. */
const GUIDANCE_SCALE = 4;

/** Twelve jobs of different sizes, step counts, samplers and guidance. Those of one size share their batches. */
export const DEMO_JOBS: readonly CreateJob[] = [
  scene('a large red sphere left of a small blue cube on a grey floor at sunset', { seed: 7 }),
  scene('a small yellow cone on a green floor by day', { seed: 21, sampler: 'ddim', steps: 30 }),
  scene('a large green cylinder on a brown floor at night', { seed: 3, sampler: 'euler', steps: 24 }),
  scene('a purple cube right of an orange sphere on a grey floor by day', {
    seed: 11,
    sampler: 'pndm',
    steps: 25,
  }),
  scene('a large cyan cone on a blue floor at sunset', { seed: 5, sampler: 'dpmpp_2m_karras', steps: 16 }),
  scene('a white sphere and a red cone on a green floor at night', {
    seed: 9,
    sampler: 'dpmpp_2m',
    steps: 12,
  }),
  scene('a large orange cube on a blue floor at sunset', { seed: 2, guidance_scale: 5 }),
  scene('a blue sphere left of a green sphere on a grey floor by day', { seed: 14, guidance_scale: 3 }),
  scene('a large purple cone on a brown floor at sunset', { seed: 4, height: 160, sampler: 'euler' }),
  scene('a small white cylinder on a grey floor at night', {
    seed: 8,
    height: 160,
    sampler: 'ddim',
    steps: 25,
  }),
  scene('a yellow cube left of a cyan cone on a grey floor at sunset', { seed: 6, width: 160 }),
  scene('a cyan cylinder left of a large red cube on a brown floor by day', {
    seed: 1,
    width: 192,
    steps: 18,
  }),
];

function scene(prompt: string, rest: Omit<CreateJob, 'kind' | 'prompt'>): CreateJob {
  return { kind: 'txt2img', model: MODEL, prompt, guidance_scale: GUIDANCE_SCALE, ...rest };
}
