/**
 * The settings of an image as one text, in the form that A1111's web UI writes and most viewers and galleries read:
 * the prompt, a line with the negative prompt, a line of `Name: value` pairs.
 */
import type { SamplerName } from '../../../src/contract/samplers.ts';
import type { JobParams } from '../../../src/domain/job.ts';

const SAMPLER_TITLES: Readonly<Record<SamplerName, string>> = {
  ddim: 'DDIM',
  euler: 'Euler',
  euler_a: 'Euler a',
  pndm: 'PLMS',
  dpmpp_2m: 'DPM++ 2M',
  dpmpp_2m_karras: 'DPM++ 2M Karras',
  dpmpp_2m_sde: 'DPM++ 2M SDE',
  unipc: 'UniPC',
  lcm: 'LCM',
  ddpm: 'DDPM',
};

export function generationText(params: JobParams, seed: number): string {
  const settings = [
    `Steps: ${params.steps}`,
    `Sampler: ${SAMPLER_TITLES[params.sampler]}`,
    `CFG scale: ${params.guidanceScale}`,
    ...(params.guidanceRescale === 0 ? [] : [`CFG Rescale: ${params.guidanceRescale}`]),
    `Seed: ${seed}`,
    `Size: ${params.width}x${params.height}`,
    `Model: ${params.model}`,
    // The web UI counts the layer it stops at, so its 1 is to skip none, and goes unsaid.
    ...(params.clipSkip === 0 ? [] : [`Clip skip: ${params.clipSkip + 1}`]),
    'Version: Kiln',
  ];
  const negative = params.negativePrompt === '' ? [] : [`Negative prompt: ${params.negativePrompt}`];
  return [params.prompt, ...negative, settings.join(', ')].join('\n');
}
