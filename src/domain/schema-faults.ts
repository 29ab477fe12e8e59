/** Turns the errors of a JSON Schema validator, as Ajv words them, into faults that name field, value and limit. */
import type { FieldFault } from './errors.ts';
import { shorten, shortText } from './shorten.ts';

const MAX_FAULTS = 16;

/**
 * Keywords whose faults others tell better: a bad property name is reported for the name, with the limit, and for the
 * object that has it; a bad `kind` by the list of kinds, and by the choice of a shape by it.
 */
const REPEATING: ReadonlySet<string> = new Set(['propertyNames', 'discriminator']);

type Params = Readonly<Record<string, unknown>>;

export interface SchemaError {
  readonly keyword: string;
  /** JSON pointer to the value at fault. */
  readonly instancePath: string;
  readonly params: Params;
  readonly message?: string;
  readonly data?: unknown;
  /** There when the name of a property is at fault, not its value. */
  readonly propertyName?: unknown;
}

/** By schema keyword: the limit that was broken, and how to say it. */
const BROKEN: Readonly<Record<string, (params: Params) => { limit: unknown; message: string }>> = {
  type: ({ type }) => ({ limit: type, message: `must be of type ${[type].flat().join(' or ')}` }),
  enum: ({ allowedValues: allowed }) => ({ limit: allowed, message: `must be one of: ${listed(allowed)}` }),
  minimum: ({ limit }) => ({ limit, message: `must be at least ${String(limit)}` }),
  maximum: ({ limit }) => ({ limit, message: `must be at most ${String(limit)}` }),
  multipleOf: ({ multipleOf }) => ({
    limit: multipleOf,
    message: `must be divisible by ${String(multipleOf)}`,
  }),
  exclusiveMinimum: ({ limit }) => ({ limit, message: `must be more than ${String(limit)}` }),
  minLength: ({ limit }) => ({ limit, message: `must have at least ${String(limit)} characters` }),
  maxLength: ({ limit }) => ({ limit, message: `must have at most ${String(limit)} characters` }),
  minItems: ({ limit }) => ({ limit, message: `must have at least ${String(limit)} entries` }),
  maxItems: ({ limit }) => ({ limit, message: `must have at most ${String(limit)} entries` }),
  maxProperties: ({ limit }) => ({ limit, message: `must have at most ${String(limit)} entries` }),
};

export function schemaFaults(errors: readonly SchemaError[]): FieldFault[] {
  const telling = errors.filter(({ keyword }) => !REPEATING.has(keyword));
  return telling.slice(0, MAX_FAULTS).map(faultOf);
}

function faultOf(error: SchemaError): FieldFault {
  const path = error.instancePath.split('/').slice(1).map(unescapePointer);
  const { missingProperty, additionalProperty } = error.params;
  if (typeof missingProperty === 'string') {
    return { field: fieldName([...path, missingProperty]), message: 'is required' };
  }
  if (typeof additionalProperty === 'string') {
    return { field: fieldName([...path, additionalProperty]), message: 'is not a known field' };
  }
  const isName = error.propertyName !== undefined;
  const broken = BROKEN[error.keyword]?.(error.params) ?? { message: error.message ?? 'is not valid' };
  return {
    field: fieldName(path),
    ...('data' in error ? { value: shorten(error.data) } : {}),
    ...broken,
    message: isName ? `a name in it ${broken.message}` : broken.message,
  };
}

/** RFC 6901, section 4. */
function unescapePointer(token: string): string {
  return token.replaceAll('~1', '/').replaceAll('~0', '~');
}

function fieldName(path: readonly string[]): string {
  return path.length === 0 ? '(the whole)' : path.map(shortText).join('.');
}

function listed(values: unknown): string {
  return Array.isArray(values) ? values.join(', ') : String(values);
}
