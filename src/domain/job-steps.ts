/** How many steps a job costs, of which its progress is made. */
import type { SamplerName } from '../contract/samplers.ts';
import type { JobParams } from './job.ts';

/** Steps that strength leaves of those asked for. Cut, not rounded, as in diffusers: 0.58 of 50 are 28. */
export function stepsAtStrength(steps: number, strength: number): number {
  return Math.min(Math.trunc(steps * strength), steps);
}

/** UNet calls of a stage. PNDM walks the first interval twice. */
export function callsOf(walk: { steps: number; strength: number; sampler: SamplerName }): number {
  const { steps, strength, sampler } = walk;
  return stepsAtStrength(steps, strength) + (sampler === 'pndm' && steps > 1 ? 1 : 0);
}

/** Steps over all images and stages. Some samplers take a call or two more: a run counts what it really does. */
export function stepsOfJob(params: JobParams): number {
  const { endStep, startFrom, seeds } = params;
  const last = endStep ?? stepsOfImage(params);
  return Math.max(0, last - (startFrom?.step ?? 0)) * seeds.length;
}

function stepsOfImage(params: JobParams): number {
  switch (params.kind) {
    case 'txt2img':
      return params.steps + (params.upscale?.steps ?? 0);
    case 'img2img':
    case 'depth':
    case 'inpaint':
      return stepsAtStrength(params.steps, params.strength);
    case 'upscale':
      return params.steps;
  }
}
