/**
 * The few pictures that a fault run asks for, over and over: each is rendered once in calm, so that every
 * image of the storm can be compared with it, byte for byte. They differ in all that a batch may mix: steps,
 * sampler, guidance, size (its own lane), number of images and file format. No two images share a seed. They take long
 * enough (a tenth of a second to a second) for a fault to find them at work.
 */
import type { CreateJob } from '../../src/contract/create-job.ts';

export const SETTINGS = {
  quick: {
    kind: 'txt2img',
    prompt: 'a small red cube on a grey floor',
    width: 64,
    height: 64,
    steps: 8,
    sampler: 'euler',
    seed: 1100,
  },
  unguided: {
    kind: 'txt2img',
    prompt: 'a large blue sphere at night',
    width: 64,
    height: 64,
    steps: 40,
    sampler: 'ddim',
    guidance_scale: 1,
    seed: 1200,
    priority: 'interactive',
  },
  pair: {
    kind: 'txt2img',
    prompt: 'a green cone at sunset',
    width: 128,
    height: 128,
    steps: 12,
    sampler: 'dpmpp_2m',
    seed: 1300,
    images: 2,
    output: { format: 'webp' },
  },
  long: {
    kind: 'txt2img',
    prompt: 'a yellow cylinder by day',
    negative_prompt: 'night',
    width: 64,
    height: 64,
    steps: 60,
    sampler: 'pndm',
    guidance_scale: 4,
    seed: 1400,
  },
  wide: {
    kind: 'txt2img',
    prompt: 'a purple sphere left of a white cube',
    width: 128,
    height: 64,
    steps: 24,
    sampler: 'dpmpp_2m_karras',
    seed: 1500,
    priority: 'bulk',
    output: { format: 'jpeg' },
  },
} as const satisfies Record<string, CreateJob>;

export type SettingName = keyof typeof SETTINGS;

export const SETTING_NAMES = ['quick', 'unguided', 'pair', 'long', 'wide'] as const satisfies SettingName[];
