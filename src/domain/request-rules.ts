/** What a request that fits its schema must still obey: rules on text, and on fields that depend on each other. */
import type { CreateJob } from '../contract/create-job.ts';
import type { SamplerName } from '../contract/samplers.ts';
import { KilnError, type FieldFault } from './errors.ts';
import { JOB_DEFAULTS, STRENGTH_DEFAULTS, UPSCALE_DEFAULTS } from './job-defaults.ts';
import { callsOf, stepsAtStrength } from './job-steps.ts';
import { SAMPLERS } from './samplers.ts';
import { textFault } from './text.ts';

/** Digits of the least strength that a fault names, rounded up. */
const STRENGTH_UNITS = 10_000;

/** Throws `invalid_request` with every fault. */
export function checkRequest(request: CreateJob): void {
  const faults = [
    ...textFaults(request),
    ...samplingFaults(request),
    ...stageFaults(request),
    ...strengthFaults(request),
    ...spanFaults(request),
    ...seedFaults(request),
  ];
  if (faults.length > 0) {
    throw new KilnError('invalid_request', 'The request cannot be taken as it is', { faults });
  }
}

function textFaults(request: CreateJob): FieldFault[] {
  const texts: [field: string, text: string][] = [
    ['prompt', request.prompt ?? ''],
    ['negative_prompt', request.negative_prompt ?? ''],
    ['model', request.model ?? ''],
  ];
  for (const [key, value] of Object.entries(request.metadata ?? {})) {
    texts.push(['metadata (a key)', key], [`metadata.${key}`, value]);
  }
  return texts.flatMap(([field, value]) => {
    const message = textFault(value);
    return message === undefined ? [] : [{ field, value, message }];
  });
}

function samplingFaults(request: CreateJob): FieldFault[] {
  const defaults = request.kind === 'upscale' ? UPSCALE_DEFAULTS : JOB_DEFAULTS;
  const { sampler = defaults.sampler, steps = defaults.steps, eta = JOB_DEFAULTS.eta } = request;
  const faults = stepFaults('steps', steps, sampler);
  if (eta > 0 && !SAMPLERS[sampler].takesEta) {
    faults.push({ field: 'eta', value: eta, limit: 0, message: `must be 0 with the sampler ${sampler}` });
  }
  return faults;
}

function stageFaults(request: CreateJob): FieldFault[] {
  if (request.kind !== 'txt2img' || typeof request.upscale !== 'object') return [];
  const { sampler = UPSCALE_DEFAULTS.sampler, steps = UPSCALE_DEFAULTS.steps } = request.upscale;
  return stepFaults('upscale.steps', steps, sampler);
}

function stepFaults(field: string, steps: number, sampler: SamplerName): FieldFault[] {
  const limit = SAMPLERS[sampler].maxSteps;
  if (steps <= limit) return [];
  return [{ field, value: steps, limit, message: `must be at most ${limit} with the sampler ${sampler}` }];
}

function strengthFaults(request: CreateJob): FieldFault[] {
  if (request.kind === 'txt2img' || request.kind === 'upscale') return [];
  const { steps = JOB_DEFAULTS.steps, strength = STRENGTH_DEFAULTS[request.kind] } = request;
  if (stepsAtStrength(steps, strength) >= 1) return [];
  const limit = Math.ceil(STRENGTH_UNITS / steps) / STRENGTH_UNITS;
  const message = `leaves none of ${steps} steps: must be at least ${limit}, or the steps more`;
  return [{ field: 'strength', value: strength, limit, message }];
}

function spanFaults(request: CreateJob): FieldFault[] {
  const { end_step: endStep = null, start_step: startStep = null, init_latent: latents = null } = request;
  const faults: FieldFault[] = [];
  if (startStep !== null && latents === null) {
    faults.push({ field: 'start_step', value: startStep, message: 'cannot be given without init_latent' });
  }
  if (endStep === null) return faults;
  if (request.kind === 'txt2img' && (request.upscale ?? false) !== false) {
    faults.push({ field: 'end_step', value: endStep, message: 'cannot be given together with upscale' });
  }
  const limit = callsOf(walkOf(request));
  if (endStep > limit) {
    const message = `must be at most ${limit}: so many steps does the job make`;
    faults.push({ field: 'end_step', value: endStep, limit, message });
  }
  return faults;
}

/** The first stage, with its defaults. */
function walkOf(request: CreateJob): { steps: number; strength: number; sampler: SamplerName } {
  const defaults = request.kind === 'upscale' ? UPSCALE_DEFAULTS : JOB_DEFAULTS;
  const { steps = defaults.steps, sampler = defaults.sampler } = request;
  if (request.kind === 'txt2img' || request.kind === 'upscale') return { steps, sampler, strength: 1 };
  return { steps, sampler, strength: request.strength ?? STRENGTH_DEFAULTS[request.kind] };
}

function seedFaults({ seed, seeds, images }: CreateJob): FieldFault[] {
  if (seeds === undefined) return [];
  if (seed !== undefined) {
    return [{ field: 'seeds', value: seeds, message: 'cannot be given together with seed' }];
  }
  if (images === undefined || images === seeds.length) return [];
  const message = `must hold a seed for each of ${images} images, not ${seeds.length}`;
  return [{ field: 'seeds', value: seeds, limit: images, message }];
}
