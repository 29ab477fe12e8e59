/** Holds the request of a row against the schema and the rules of POST /v1/jobs. */
import { Compile } from 'typebox/compile';
import { CREATE_JOB_BY_KIND, type CreateJob } from '../contract/create-job.ts';
import { KilnError, type FieldFault } from '../domain/errors.ts';
import { JOB_KINDS, type JobKind } from '../domain/job.ts';
import { checkRequest } from '../domain/request-rules.ts';
import { schemaFaults, type SchemaError } from '../domain/schema-faults.ts';
import { columnOf } from './columns.ts';

export type Json = Readonly<Record<string, unknown>>;

/** What is asked of a validator that TypeBox has compiled, whatever its shape. */
interface Shape {
  Check(value: unknown): boolean;
  Errors(value: unknown): readonly ShapeError[];
}

interface ShapeError {
  readonly keyword: string;
  readonly schemaPath: string;
  readonly instancePath: string;
  readonly params: object;
  readonly message: string;
}

const SHAPES: Readonly<Record<JobKind, Shape>> = {
  txt2img: Compile(CREATE_JOB_BY_KIND.txt2img),
  img2img: Compile(CREATE_JOB_BY_KIND.img2img),
  depth: Compile(CREATE_JOB_BY_KIND.depth),
  inpaint: Compile(CREATE_JOB_BY_KIND.inpaint),
  upscale: Compile(CREATE_JOB_BY_KIND.upscale),
};

export type CheckedRequest =
  | { readonly request: CreateJob; readonly faults: readonly [] }
  | { readonly request: null; readonly faults: readonly FieldFault[] };

/** The same faults, in the same words, that the request would meet as a body of its own. */
export function checkedRequest(value: Json): CheckedRequest {
  if (!isRequest(value)) return { request: null, faults: shapeFaults(value) };
  try {
    checkRequest(value);
    return { request: value, faults: [] };
  } catch (error) {
    return { request: null, faults: faultsOf(error) };
  }
}

/** The faults of a refusal. Any other error is not the caller's and goes on. */
export function faultsOf(error: unknown): readonly FieldFault[] {
  if (error instanceof KilnError && error.faults.length > 0) return error.faults;
  throw error;
}

function isRequest(value: Json): value is CreateJob & Json {
  const kind = kindOf(value['kind']);
  return kind !== undefined && SHAPES[kind].Check(value);
}

export function kindOf(value: unknown): JobKind | undefined {
  return JOB_KINDS.find((kind) => kind === value);
}

/** What the schema has against a request. */
export function shapeFaults(value: Json): FieldFault[] {
  const kind = kindOf(value['kind']);
  if (kind === undefined) {
    const message = `must be one of: ${JOB_KINDS.join(', ')}`;
    return [{ field: 'kind', value: value['kind'], limit: JOB_KINDS, message }];
  }
  const errors = SHAPES[kind].Errors(value).flatMap((error) => likeAjv(error, value));
  return schemaFaults(errors).map((fault) => {
    const isOfOthers = fault.message === 'is not a known field' && columnOf(fault.field) !== undefined;
    return isOfOthers ? { ...fault, message: `is not a field of the kind ${kind}` } : fault;
  });
}

/** TypeBox and Ajv find the same, but tell it differently where properties are wrong as such. */
function likeAjv(
  { keyword, schemaPath, instancePath, params, message }: ShapeError,
  value: Json,
): SchemaError[] {
  const told: Json = { ...params };
  const at = instancePath.lastIndexOf('/');
  const holder = instancePath.slice(0, Math.max(0, at));
  const name = unescaped(instancePath.slice(at + 1));
  if (keyword === 'required') {
    const missing = Array.isArray(told['requiredProperties']) ? told['requiredProperties'] : [];
    return missing.map((missingProperty: unknown) => ({
      keyword,
      instancePath,
      params: { missingProperty },
    }));
  }
  // A property that no schema allows is told of twice, here by its name; a wrong value is told of for itself.
  if (keyword === 'additionalProperties') return [];
  if (keyword === 'boolean') {
    return [{ keyword: 'additionalProperties', instancePath: holder, params: { additionalProperty: name } }];
  }
  if (schemaPath.endsWith('/propertyNames')) {
    return [{ keyword, instancePath: holder, params: told, message, data: name, propertyName: name }];
  }
  return [{ keyword, instancePath, params: told, message, data: valueAt(value, instancePath) }];
}

/** RFC 6901. */
function valueAt(value: unknown, pointer: string): unknown {
  let found = value;
  for (const part of pointer.split('/').slice(1)) {
    if (typeof found !== 'object' || found === null) return undefined;
    found = new Map<string, unknown>(Object.entries(found)).get(unescaped(part));
  }
  return found;
}

function unescaped(token: string): string {
  return token.replaceAll('~1', '/').replaceAll('~0', '~');
}
