/** A row, from a table or from JSON Lines, and the defaults of the upload become the request of a job. */
import { BULK_LIMITS } from '../domain/bulk-limits.ts';
import { KilnError, type FieldFault } from '../domain/errors.ts';
import { JOB_KINDS, type JobKind, type Priority } from '../domain/job.ts';
import { textFault } from '../domain/text.ts';
import { cellValue } from './cell-value.ts';
import { columnOf, type Column, type HeaderCell } from './columns.ts';
import { kindOf, shapeFaults, type Json } from './request-check.ts';

/** What a row asks for, as far as it can be read. */
export interface RowDraft {
  readonly ref: string | null;
  readonly request: Json;
  /** When there are any, the request means nothing. */
  readonly faults: readonly FieldFault[];
}

/** Most tables have nothing but prompts. */
const KIND: JobKind = 'txt2img';
export class RowDefaults {
  readonly #kind: JobKind;
  readonly #byKind: ReadonlyMap<JobKind, Json>;

  /**
   * Of values as a cell would have them, by column. Each goes to rows whose kind has the field. Throws KilnError
   * `invalid_request` for what no row could use.
   */
  constructor(values: ReadonlyMap<string, string>, priority: Priority) {
    const { kind: given = KIND, ...rest } = Object.fromEntries(values);
    const kind = kindOf(given);
    const read = Object.entries(rest).map(([name, text]) => ({ name, text, column: columnOf(name) }));
    const faults = read.flatMap(({ name, text, column }) => defaultFaults(name, text, column));
    if (kind === undefined) faults.unshift(...shapeFaults({ kind: given }));
    if (kind === undefined || faults.length > 0) {
      throw new KilnError('invalid_request', 'The defaults for the rows cannot be taken', { faults });
    }
    this.#kind = kind;
    this.#byKind = new Map(
      JOB_KINDS.map((each) => {
        const request: Record<string, unknown> = { priority };
        for (const { text, column } of read) {
          if (column?.kinds.has(each) === true && text !== '') setField(request, column, text, undefined);
        }
        return [each, request];
      }),
    );
  }

  /** The request of a row as it is before the row has said anything. */
  begin(kind: unknown): { request: Record<string, unknown>; defaults: Json } {
    const own = kind === undefined ? this.#kind : kind;
    const defaults = this.#byKind.get(kindOf(own) ?? this.#kind) ?? {};
    return { request: { kind: own, ...defaults }, defaults };
  }
}

/** A default is wrong when no kind of job would take it. */
function defaultFaults(name: string, text: string, column: Column | undefined): FieldFault[] {
  if (column === undefined) return [{ field: name, value: text, message: 'is not a known field' }];
  if (text === '') return [];
  const all = [...column.kinds].map((kind) => {
    const request: Record<string, unknown> = { kind };
    setField(request, column, text, undefined);
    return shapeFaults(request).filter(
      ({ field }) => field === column.name || field.startsWith(`${column.name}.`),
    );
  });
  return all.some((faults) => faults.length === 0) ? [] : (all[0] ?? []);
}

/** `shared`: the defaults, whose groups must not be written to. */
function setField(
  request: Record<string, unknown>,
  column: Column,
  text: string,
  shared: Json | undefined,
): void {
  const value = cellValue(text, column.type);
  if (column.group === null) {
    // A group that has been begun says more than that there is one.
    if (value !== true || !isObject(request[column.field])) request[column.field] = value;
    return;
  }
  const held = request[column.group];
  const group = isObject(held) ? held : {};
  if (group === shared?.[column.group] || group !== held) {
    request[column.group] = { ...group, [column.field]: value };
  } else Object.assign(group, { [column.field]: value });
}

/** Reads the rows of one table. */
export class TableReader {
  readonly #header: readonly HeaderCell[];
  readonly #defaults: RowDefaults;
  /** Where each column stands, by its name. */
  readonly #at: ReadonlyMap<string, number>;

  constructor(header: readonly HeaderCell[], defaults: RowDefaults) {
    this.#header = header;
    this.#defaults = defaults;
    this.#at = new Map(header.flatMap((cell, n) => (typeof cell === 'object' ? [[cell.name, n]] : [])));
  }

  draft(cells: readonly string[]): RowDraft {
    const { request, defaults } = this.#defaults.begin(this.#cell(cells, 'kind'));
    let ref: string | null = null;
    makeRoomForSeeds(request, (name) => this.#cell(cells, name) !== undefined);
    for (const [n, text] of cells.entries()) {
      const column = this.#header[n];
      if (text === '' || column === undefined || column === 'nothing' || column === 'result') continue;
      if (column === 'ref') ref = text;
      else if (column.name !== 'kind') setField(request, column, text, defaults);
    }
    return { ref, request, faults: [...countFaults(cells, this.#header), ...refFaults(ref)] };
  }

  #cell(cells: readonly string[], name: string): string | undefined {
    const text = cells[this.#at.get(name) ?? -1];
    return text === '' ? undefined : text;
  }
}

/** `text` is one line. */
export function draftOfJson(text: string, defaults: RowDefaults): RowDraft {
  const body = objectOf(text);
  if (typeof body === 'string')
    return { ref: null, request: {}, faults: [{ field: '(the whole)', message: body }] };
  const { ref = null, ...fields } = body;
  const { request, defaults: shared } = defaults.begin(fields['kind']);
  makeRoomForSeeds(request, (name) => Object.hasOwn(fields, name));
  for (const [name, value] of Object.entries(fields)) {
    const common = shared[name];
    request[name] = isObject(common) && isObject(value) ? { ...common, ...value } : value;
  }
  const faults = [...bulkWideFaults(fields), ...(typeof ref === 'string' ? refFaults(ref) : [])];
  if (ref !== null && typeof ref !== 'string') {
    faults.push({ field: 'ref', value: ref, limit: 'string', message: 'must be of type string' });
  }
  return { ref: typeof ref === 'string' ? ref : null, request, faults };
}

/** What is wrong, in words, when it is not one. */
function objectOf(text: string): Json | string {
  try {
    const value: unknown = JSON.parse(text);
    if (!isObject(value)) return 'must be a JSON object: the body of POST /v1/jobs, and perhaps a ref';
    return hasProto(value) ? 'must not hold a field named __proto__' : value;
  } catch (error) {
    return `is not JSON: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** JSON makes a field of that name; copying one would set the prototype. Requests are no deeper. */
function hasProto(value: Json): boolean {
  return [value, ...Object.values(value)].some((part) => isObject(part) && Object.hasOwn(part, '__proto__'));
}

function bulkWideFaults(fields: Json): FieldFault[] {
  if (fields['priority'] === undefined) return [];
  return [
    {
      field: 'priority',
      value: fields['priority'],
      message: 'is one for the whole bulk: send it as a field of the upload',
    },
  ];
}

/**
 * Cells without a column, or columns without a cell, most often come of a line break, a delimiter or a quote that was
 * not meant; what is left would still look like a row. Empty cells at the end are only a spreadsheet's.
 */
function countFaults(cells: readonly string[], header: readonly HeaderCell[]): FieldFault[] {
  const [value, limit] = [cells.length, header.length];
  if (value < limit) {
    return [{ field: '(the row)', value, limit, message: `has ${value} of ${limit} cells` }];
  }
  return cells.flatMap((text, n): FieldFault[] => {
    if (text === '' || (header[n] !== undefined && header[n] !== 'nothing')) return [];
    return [{ field: `(column ${n + 1})`, value: text, limit, message: 'stands in a column without a name' }];
  });
}

function refFaults(ref: string | null): FieldFault[] {
  if (ref === null) return [];
  const limit = BULK_LIMITS.refChars;
  if (ref.length > limit) {
    return [{ field: 'ref', value: ref, limit, message: `must have at most ${limit} characters` }];
  }
  const message = textFault(ref);
  return message === undefined ? [] : [{ field: 'ref', value: ref, message }];
}

/** The seeds of a row stand in place of those that the defaults give, and of their number. */
function makeRoomForSeeds(request: Record<string, unknown>, isGiven: (name: string) => boolean): void {
  if (isGiven('seeds')) {
    delete request['seed'];
    delete request['images'];
  } else if (isGiven('seed') || isGiven('images')) delete request['seeds'];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
