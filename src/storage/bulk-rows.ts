/** The rows of a bulk as they lie in the store: JSON in UTF-8, a row a line, CHUNK_ROWS in an object. */
import { Type } from 'typebox';
import { Compile } from 'typebox/compile';
import type { CreateJob } from '../contract/create-job.ts';
import { CHUNK_ROWS, type BulkRow } from '../domain/bulk.ts';
import { toJobParams, toJobResult } from '../job-json.ts';

const Count = Type.Integer({ minimum: 0 });
const PLACE = {
  row: Count,
  line: Count,
  ref: Type.Union([Type.String(), Type.Null()]),
  hasOwnSeeds: Type.Optional(Type.Boolean()),
  reused: Type.Optional(Type.Object({ job: Type.String(), result: Type.Unknown() })),
};

const StoredRow = Type.Object({ ...PLACE, params: Type.Unknown() });
/** The request was checked before it was stored, by the schema that callers meet. */
const StoredRowToFetch = Type.Object({
  ...PLACE,
  request: Type.Unsafe<CreateJob>({ type: 'object' }),
  model: Type.Object({ name: Type.String(), defaultWidth: Count, defaultHeight: Count }),
});

const ready = Compile(StoredRow);
const toFetch = Compile(StoredRowToFetch);

/** One line, without the line feed. */
export function bulkRowLine(row: BulkRow): string {
  return JSON.stringify(row);
}

/** All rows of a chunk, in their order. Throws when the bytes are damaged or not of this chunk; `what` is in the message. */
export function parseBulkRows(bytes: Uint8Array, chunk: number, what: string): BulkRow[] {
  const lines = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8').split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines.map((text, n) => toRow(text, chunk * CHUNK_ROWS + n, what));
}

function toRow(text: string, row: number, what: string): BulkRow {
  const where = `row ${row} of ${what}`;
  const stored: unknown = parse(text, where);
  if (!toFetch.Check(stored) && !ready.Check(stored)) throw damaged(where);
  const { reused, ...rest } = stored;
  if (rest.row !== row) throw damaged(where);
  const known =
    reused === undefined ? {} : { reused: { job: reused.job, result: toJobResult(reused.result, where) } };
  return 'params' in rest
    ? { ...rest, ...known, params: toJobParams(rest.params, where) }
    : { ...rest, ...known };
}

function damaged(where: string): Error {
  return new Error(`${where} is damaged`);
}

function parse(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${where} is not JSON`, { cause: error });
  }
}
