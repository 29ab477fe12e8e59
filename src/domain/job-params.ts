/** From a request that fits the schema to the parameters that are stored: defaults, seeds, model, text rules. */
import type { CreateJob } from '../contract/job.ts';
import { KilnError, type FieldFault } from './errors.ts';
import type { JobParams } from './job.ts';
import { JOB_DEFAULTS } from './job-defaults.ts';
import { LIMITS } from './limits.ts';
import { SAMPLERS } from './samplers.ts';
import { textFault } from './text.ts';

/** What this decision needs to know of a model that some worker offers. */
export interface ModelOffer {
  readonly name: string;
  readonly kinds: readonly string[];
  readonly defaultWidth: number;
  readonly defaultHeight: number;
}

export interface Offers {
  readonly models: readonly ModelOffer[];
  readonly defaultModel: string;
}

/**
 * Throws `invalid_request` for text that cannot be taken and for more steps than the sampler has, `unknown_model`
 * when no worker offers the model.
 */
export function toJobParams(request: CreateJob, offers: Offers, randomSeed: () => number): JobParams {
  const faults = textFaults(request);
  if (faults.length > 0) {
    throw new KilnError('invalid_request', 'The text of the request cannot be taken', { faults });
  }
  const { sampler, steps } = stepsOfSampler(request);
  const model = offeredModel(request, offers);
  return {
    kind: request.kind,
    model: model.name,
    prompt: request.prompt,
    negativePrompt: request.negative_prompt ?? JOB_DEFAULTS.negativePrompt,
    width: request.width ?? model.defaultWidth,
    height: request.height ?? model.defaultHeight,
    steps,
    guidanceScale: request.guidance_scale ?? JOB_DEFAULTS.guidanceScale,
    guidanceRescale: request.guidance_rescale ?? JOB_DEFAULTS.guidanceRescale,
    clipSkip: request.clip_skip ?? JOB_DEFAULTS.clipSkip,
    eta: 0,
    upscale: null,
    seeds: seedsFrom(request.seed ?? randomSeed(), request.images ?? JOB_DEFAULTS.images),
    sampler,
    priority: request.priority ?? JOB_DEFAULTS.priority,
    output: {
      format: request.output?.format ?? JOB_DEFAULTS.format,
      quality: request.output?.quality ?? JOB_DEFAULTS.quality,
    },
    metadata: request.metadata ?? {},
  };
}

function stepsOfSampler(request: CreateJob): Pick<JobParams, 'sampler' | 'steps'> {
  const sampler = request.sampler ?? JOB_DEFAULTS.sampler;
  const steps = request.steps ?? JOB_DEFAULTS.steps;
  const limit = SAMPLERS[sampler].maxSteps;
  if (steps <= limit) return { sampler, steps };
  const message = `must be at most ${limit} with the sampler ${sampler}`;
  throw new KilnError('invalid_request', `The sampler ${sampler} has fewer steps than were asked for`, {
    faults: [{ field: 'steps', value: steps, limit, message }],
  });
}

function offeredModel(request: CreateJob, { models, defaultModel }: Offers): ModelOffer {
  const name = request.model ?? defaultModel;
  const able = models.filter(({ kinds }) => kinds.includes(request.kind));
  const model = able.find((candidate) => candidate.name === name);
  if (model !== undefined) return model;
  const names = able.map((candidate) => candidate.name).toSorted();
  const offered = names.length === 0 ? 'no model at all right now' : names.join(', ');
  throw new KilnError('unknown_model', `No worker offers ${name} for ${request.kind}; offered: ${offered}`, {
    faults: [{ field: 'model', value: name, limit: names, message: `must be one of: ${offered}` }],
  });
}

/** Wraps round after the largest seed; the sum itself would leave the exact doubles. */
function seedsFrom(first: number, count: number): number[] {
  const room = LIMITS.seedMax - first;
  return Array.from({ length: count }, (_, n) => (n <= room ? first + n : n - room - 1));
}

function textFaults(request: CreateJob): FieldFault[] {
  const texts: [field: string, text: string][] = [
    ['prompt', request.prompt],
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
