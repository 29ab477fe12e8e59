/** Stored JSON becomes a job again only through these checks, so that damage is named where it is read. */
import type { Static, TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import { StoredFailure, StoredParams, StoredRecord, StoredResult } from './contract/job-record.ts';
import type { JobFailure, JobParams, JobRecord, JobResult } from './domain/job.ts';

const params = Compile(StoredParams);
const result = Compile(StoredResult);
const failure = Compile(StoredFailure);
const record = Compile(StoredRecord);

/** Throws an Error that names `what` and the first field that does not fit. So do the three below. */
export function toJobParams(value: unknown, what: string): JobParams {
  return checked(params, value, what);
}

export function toJobResult(value: unknown, what: string): JobResult {
  return checked(result, value, what);
}

export function toJobFailure(value: unknown, what: string): JobFailure {
  return checked(failure, value, what);
}

export function toJobRecord(value: unknown, what: string): JobRecord {
  return checked(record, value, what);
}

function checked<S extends TSchema>(shape: Validator<{}, S>, value: unknown, what: string): Static<S> {
  if (shape.Check(value)) return value;
  const [fault] = shape.Errors(value);
  const where = fault === undefined || fault.instancePath === '' ? 'its root' : fault.instancePath;
  throw new Error(`${what} is damaged at ${where}: ${fault?.message ?? 'it does not fit'}`);
}
