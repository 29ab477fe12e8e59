/** Which jobs a residency session asks for: mixed in model, kind, size, length and priority, the same for a seed. */
import type { CreateJob } from '../../src/contract/create-job.ts';
import type { SamplerName } from '../../src/contract/samplers.ts';
import type { Priority } from '../../src/domain/job.ts';
import { Random } from '../support/random.ts';
import type { ModelSpec } from './model-set.ts';

/** Ids of uploads. */
export interface Inputs {
  readonly image: string;
  readonly mask: string;
  /** To be enlarged. */
  readonly small: string;
}

export interface WorkloadOptions {
  readonly seed: number;
  readonly jobs: number;
  readonly models: readonly ModelSpec[];
  /** Wanted far more than others, so that a worker that only likes what it has loaded would keep them for ever. */
  readonly hot: readonly string[];
  /** Taken by jobs of two stages, whose images are large for an upscaler: a narrow one. */
  readonly upscaler: string | null;
  readonly inputs: Inputs;
}

const HOT_SHARE = 0.45;
const TWO_STAGE_SHARE = 0.1;
const WIDE_SHARE = 0.15;

/** Every model has its jobs, also those that cannot be used. */
export function planJobs(options: WorkloadOptions): CreateJob[] {
  const random = new Random(options.seed);
  const hot = options.models.filter(({ name }) => options.hot.includes(name));
  const requests = Array.from({ length: options.jobs }, (_, n) => {
    // The first round reaches every model.
    const pool = n >= options.models.length && random.chance(HOT_SHARE) ? hot : options.models;
    const model = pool[n < options.models.length ? n : random.int(0, pool.length - 1)];
    if (model === undefined) throw new Error('a workload needs models, hot ones among them');
    return requestFor(model, random, options);
  });
  return random.shuffle(requests);
}

function requestFor({ name, kind }: ModelSpec, random: Random, options: WorkloadOptions): CreateJob {
  const common = {
    model: name,
    prompt: random.pick(['a red sphere', 'a blue cube at night', 'two cones', 'a green cylinder by day']),
    steps: random.int(2, 4),
    sampler: random.pick<SamplerName>(['euler', 'dpmpp_2m', 'ddim', 'euler_a']),
    guidance_scale: random.pick([1, 4, 7.5]),
    seed: random.int(0, 1e6),
    images: random.pick([1, 1, 1, 2]),
    priority: random.pick<Priority>(['interactive', 'normal', 'normal', 'bulk']),
  } as const;
  const size = { width: random.chance(WIDE_SHARE) ? 96 : 64, height: 64 };
  const { image, mask, small } = options.inputs;
  switch (kind) {
    case 'base':
      return baseRequest({ ...common, ...size }, random, options);
    case 'inpaint':
      return { ...common, ...size, kind: 'inpaint', image, mask };
    case 'depth':
      return { ...common, ...size, kind: 'depth', image, return_depth_map: random.chance(0.5) };
    case 'upscale':
      return { ...common, kind: 'upscale', image: small };
  }
}

interface SizedFields {
  readonly model: string;
  readonly prompt: string;
  readonly width: number;
  readonly height: number;
}

function baseRequest(fields: SizedFields, random: Random, options: WorkloadOptions): CreateJob {
  const { image, mask } = options.inputs;
  if (options.upscaler !== null && random.chance(TWO_STAGE_SHARE)) {
    const upscale = { model: options.upscaler, steps: 1 };
    return { ...fields, width: 64, kind: 'txt2img', images: 1, upscale };
  }
  switch (random.pick<'txt2img' | 'img2img' | 'inpaint'>(['txt2img', 'txt2img', 'img2img', 'inpaint'])) {
    case 'txt2img':
      return { ...fields, kind: 'txt2img' };
    case 'img2img':
      return { ...fields, kind: 'img2img', image, strength: 0.7 };
    case 'inpaint':
      return { ...fields, kind: 'inpaint', image, mask, overlay: random.chance(0.5) };
  }
}
