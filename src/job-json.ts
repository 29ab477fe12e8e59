/**
 * Stored JSON becomes a job again only through these checks, so that damage is named where it is read. What an older
 * Kiln did not write yet is filled in here, once, and by nobody else.
 */
import type { Static, TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import { STORED_PARAMS, StoredFailure, StoredRecord, StoredResult } from './contract/job-record.ts';
import { JOB_KINDS, type JobFailure, type JobParams, type JobRecord, type JobResult } from './domain/job.ts';

type LaterParams = Pick<JobParams, 'eta' | 'webhook' | 'bulk' | 'preview' | 'endStep' | 'startFrom'>;

const params = {
  txt2img: Compile(STORED_PARAMS.txt2img),
  img2img: Compile(STORED_PARAMS.img2img),
  depth: Compile(STORED_PARAMS.depth),
  inpaint: Compile(STORED_PARAMS.inpaint),
  upscale: Compile(STORED_PARAMS.upscale),
};
const result = Compile(StoredResult);
const failure = Compile(StoredFailure);
const record = Compile(StoredRecord);

/** Throws an Error that names `what` and the first field that does not fit. So do the three below. */
export function toJobParams(value: unknown, what: string): JobParams {
  const kind = kindOf(value, what);
  switch (kind) {
    case 'txt2img': {
      const stored = checked(params.txt2img, value, what);
      return { ...filled(stored), upscale: stored.upscale ?? null };
    }
    case 'img2img':
      return filled(checked(params.img2img, value, what));
    case 'depth':
      return filled(checked(params.depth, value, what));
    case 'inpaint':
      return filled(checked(params.inpaint, value, what));
    case 'upscale':
      return filled(checked(params.upscale, value, what));
  }
}

export function toJobResult(value: unknown, what: string): JobResult {
  const stored = checked(result, value, what);
  return { ...stored, depthMap: stored.depthMap ?? null, latents: stored.latents ?? [] };
}

export function toJobFailure(value: unknown, what: string): JobFailure {
  return checked(failure, value, what);
}

export function toJobRecord(value: unknown, what: string): JobRecord {
  const stored = checked(record, value, what);
  return {
    ...stored,
    params: toJobParams(stored.params, `${what} (params)`),
    result: stored.result === null ? null : toJobResult(stored.result, `${what} (result)`),
  };
}

function kindOf(value: unknown, what: string): JobParams['kind'] {
  const given = typeof value === 'object' && value !== null && 'kind' in value ? value.kind : undefined;
  const kind = JOB_KINDS.find((known) => known === given);
  if (kind === undefined)
    throw new Error(`${what} is damaged at /kind: must be one of ${JOB_KINDS.join(', ')}`);
  return kind;
}

/** With what older requests could not say yet. */
function filled<Params extends Partial<LaterParams>>(stored: Params): Params & LaterParams {
  return {
    ...stored,
    eta: stored.eta ?? 0,
    webhook: stored.webhook ?? null,
    bulk: stored.bulk ?? null,
    preview: stored.preview ?? null,
    endStep: stored.endStep ?? null,
    startFrom: stored.startFrom ?? null,
  };
}

function checked<S extends TSchema>(shape: Validator<{}, S>, value: unknown, what: string): Static<S> {
  if (shape.Check(value)) return value;
  const [fault] = shape.Errors(value);
  const where = fault === undefined || fault.instancePath === '' ? 'its root' : fault.instancePath;
  throw new Error(`${what} is damaged at ${where}: ${fault?.message ?? 'it does not fit'}`);
}
