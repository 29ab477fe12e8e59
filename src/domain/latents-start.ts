/** A job that goes on from latents must be the one that made them, as far as its steps depend on it. */
import type { LatentsFacts } from '../contract/latents.ts';
import { KilnError, type FieldFault } from './errors.ts';
import type { InputId, JobParams, StartPoint } from './job.ts';

/** Latents that a request names, once they are in the store. */
export interface LatentsInput {
  readonly id: InputId;
  readonly facts: LatentsFacts;
}

interface Request {
  readonly init_latent?: string | null;
  readonly start_step?: number | null;
}

/**
 * Throws `invalid_request` with every field that differs. Prompt, guidance and model may: whoever changes them gets
 * another image on purpose.
 */
export function startPoint(
  request: Request,
  params: JobParams,
  latents: LatentsInput | undefined,
): StartPoint | null {
  const value = request.init_latent ?? null;
  if (value === null) return null;
  if (latents === undefined) {
    throw refusal([{ field: 'init_latent', value, message: 'is taken by single jobs only, not in bulks' }]);
  }
  const { facts, id } = latents;
  const faults = [
    ...differences(params, facts),
    ...stepFaults(request.start_step ?? facts.step, params.endStep, facts),
    ...imageFaults(params),
  ];
  if (faults.length > 0) throw refusal(faults);
  return { latents: id, step: facts.step };
}

function refusal(faults: FieldFault[]): KilnError {
  return new KilnError('invalid_request', 'The job cannot go on from these latents', { faults });
}

function differences(params: JobParams, facts: LatentsFacts): FieldFault[] {
  const mine = { ...params, strength: 'strength' in params ? params.strength : 1 };
  const fields = ['kind', 'width', 'height', 'sampler', 'steps', 'strength', 'eta'] as const;
  return fields
    .filter((field) => mine[field] !== facts[field])
    .map((field) => {
      const [value, limit] = [mine[field], facts[field]];
      return { field, value, limit, message: `must be ${limit}, as in the job that made the latents` };
    });
}

function stepFaults(startStep: number, endStep: number | null, { step }: LatentsFacts): FieldFault[] {
  const faults: FieldFault[] = [];
  if (startStep !== step) {
    const message = `must be ${step}: so many steps lie behind these latents`;
    faults.push({ field: 'start_step', value: startStep, limit: step, message });
  }
  if (endStep !== null && endStep <= step) {
    const message = `must be more than ${step}, where these latents are already`;
    faults.push({ field: 'end_step', value: endStep, limit: step, message });
  }
  return faults;
}

function imageFaults({ seeds }: JobParams): FieldFault[] {
  if (seeds.length === 1) return [];
  const message = 'must be 1: a file holds the latents of one image';
  return [{ field: 'images', value: seeds.length, limit: 1, message }];
}
