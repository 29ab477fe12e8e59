/**
 * The columns that a table may have: the fields of a job, read from the very schema of POST /v1/jobs, so that a field
 * added there is a column here. What lies in a group is named with a dot, as in output.format.
 */
import { CREATE_JOB_BY_KIND } from '../contract/create-job.ts';
import { BULK_LIMITS } from '../domain/bulk-limits.ts';
import type { FieldFault } from '../domain/errors.ts';
import { KilnError } from '../domain/errors.ts';
import { JOB_KINDS, type JobKind } from '../domain/job.ts';
import { shortText } from '../domain/shorten.ts';
import { fileFault } from './file-fault.ts';

export interface Column {
  readonly name: string;
  /** The object that holds the field; null for the request itself. */
  readonly group: string | null;
  readonly field: string;
  readonly type: 'text' | 'number' | 'boolean' | 'list';
  /** Kinds of job that have it. */
  readonly kinds: ReadonlySet<JobKind>;
}

/** What stands in a column: a field, the caller's name for the row, what Kiln wrote there itself, or nothing at all. */
export type HeaderCell = Column | 'ref' | 'result' | 'nothing';

/** What `results.csv` has beside the columns that were sent; sent again with it, they are passed over. */
export const RESULT_COLUMNS = ['state', 'job', 'image_urls', 'image_files', 'image_seeds', 'error'] as const;

/** The caller's own name for a row. */
const REF = 'ref';
/** Said once, for all rows. */
const OF_THE_BULK: ReadonlySet<string> = new Set(['priority']);
/** An assignment to it would not make a field. */
const FORBIDDEN = '__proto__';

type Json = Readonly<Record<string, unknown>>;

const COLUMNS: ReadonlyMap<string, Column> = columnsOfAllKinds();
/** Groups with names that callers choose, such as metadata. */
const OPEN_GROUPS: ReadonlyMap<string, ReadonlySet<JobKind>> = openGroups();

/** The field that a column or a default of this name stands for. */
export function columnOf(name: string): Column | undefined {
  const known = COLUMNS.get(name) ?? COLUMNS.get(name.toLowerCase());
  if (known !== undefined) return known;
  const dot = name.indexOf('.');
  const group = name.slice(0, dot);
  const field = name.slice(dot + 1);
  const kinds = dot === -1 ? undefined : OPEN_GROUPS.get(group);
  if (kinds === undefined || field === '' || field === FORBIDDEN) return undefined;
  return { name, group, field, type: 'text', kinds };
}

export function isColumnName(name: string): boolean {
  return name.toLowerCase() === REF || columnOf(name) !== undefined;
}

/** Throws KilnError `invalid_request` with every column that cannot be taken. */
export function readHeader(names: readonly string[], line: number): HeaderCell[] {
  const limit = BULK_LIMITS.columns;
  if (names.length > limit) {
    throw fileFault(`has ${names.length} columns; at most ${limit} are taken`, { line, limit });
  }
  const seen = new Set<string>();
  const faults: FieldFault[] = [];
  const cells = names.map((name): HeaderCell => {
    const cell = headerCell(name);
    const canonical = typeof cell === 'object' ? cell.name : cell;
    const message = cell === undefined ? unknownColumn(name) : doubled(canonical, seen);
    if (message !== undefined) faults.push({ field: 'file', value: name, message });
    seen.add(canonical ?? name);
    return cell ?? 'nothing';
  });
  if (faults.length > 0) {
    const [first] = faults;
    throw new KilnError('invalid_request', `Line ${line} of the file ${first?.message ?? ''}`, { faults });
  }
  return cells;
}

function headerCell(name: string): HeaderCell | undefined {
  if (name === '') return 'nothing';
  if (name.toLowerCase() === REF) return REF;
  return RESULT_COLUMNS.some((column) => column === name) ? 'result' : columnOf(name);
}

function doubled(name: string | undefined, seen: ReadonlySet<string>): string | undefined {
  if (name === undefined || name === 'nothing' || name === 'result' || !seen.has(name)) return undefined;
  return `names the column ${shortText(name)} twice`;
}

function unknownColumn(name: string): string {
  const shown = JSON.stringify(shortText(name));
  if (OF_THE_BULK.has(name.toLowerCase())) {
    return `has a column ${shown}, which is one for the whole bulk: send it as a field of the upload`;
  }
  const known = [...COLUMNS.keys(), REF, ...[...OPEN_GROUPS.keys()].map((group) => `${group}.<name>`)];
  return `has a column ${shown} that is not known. Known are: ${known.join(', ')}`;
}

function columnsOfAllKinds(): Map<string, Column> {
  const found = new Map<string, Column & { readonly kinds: Set<JobKind> }>();
  const add = (kind: JobKind, group: string | null, [field, schema]: [string, unknown]): void => {
    const name = group === null ? field : `${group}.${field}`;
    const type = cellType(schema);
    if (type === undefined || OF_THE_BULK.has(name)) return;
    const column = found.get(name) ?? { name, group, field, type, kinds: new Set() };
    column.kinds.add(kind);
    found.set(name, column);
  };
  for (const kind of JOB_KINDS) {
    for (const property of propertiesOf(CREATE_JOB_BY_KIND[kind])) {
      add(kind, null, property);
      const [group, schema] = property;
      for (const inner of propertiesOf(schema)) add(kind, group, inner);
    }
  }
  return found;
}

function openGroups(): Map<string, Set<JobKind>> {
  const groups = new Map<string, Set<JobKind>>();
  for (const kind of JOB_KINDS) {
    for (const [name, schema] of propertiesOf(CREATE_JOB_BY_KIND[kind])) {
      if (!isObject(schema) || !isObject(schema['additionalProperties'])) continue;
      groups.set(name, (groups.get(name) ?? new Set()).add(kind));
    }
  }
  return groups;
}

/** Undefined for what one cell cannot say, such as a group. */
function cellType(schema: unknown): Column['type'] | undefined {
  if (!isObject(schema)) return undefined;
  const types = [schema['type']].flat();
  if (Array.isArray(schema['enum']) || types.includes('string')) return 'text';
  if (types.includes('integer') || types.includes('number')) return 'number';
  if (types.includes('boolean')) return 'boolean';
  return types.includes('array') ? 'list' : undefined;
}

function propertiesOf(schema: unknown): [name: string, schema: unknown][] {
  const properties = isObject(schema) ? schema['properties'] : undefined;
  return isObject(properties) ? Object.entries(properties) : [];
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
