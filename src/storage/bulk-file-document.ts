/** `file.json`: what is to be known of an uploaded table, so that it can be read again without looking at all of it. */
import { Type, type Static } from 'typebox';
import { Compile } from 'typebox/compile';

const SCHEMA = 1;
const Pieces = Type.Object({ bytes: Type.Integer(), count: Type.Integer() });

const BulkFile = Type.Object({
  schema: Type.Literal(SCHEMA),
  format: Type.Enum(['csv', 'jsonl']),
  /** As the caller said; null when the file says it itself. */
  encoding: Type.Union([Type.Enum(['utf-8', 'utf-16le', 'utf-16be', 'windows-1252']), Type.Null()]),
  /** As they are written in the table. */
  columns: Type.Array(Type.String()),
  table: Pieces,
  /** `errors.csv`; of no bytes when every row was good. */
  faults: Pieces,
});
export type BulkFile = Omit<Static<typeof BulkFile>, 'schema'>;

const stored = Compile(BulkFile);

/** UTF-8. */
export function bulkFileDocument(file: BulkFile): Uint8Array {
  return Buffer.from(JSON.stringify({ schema: SCHEMA, ...file }));
}

/** Throws when the bytes are not such a document. */
export function parseBulkFile(bytes: Uint8Array, what: string): BulkFile {
  const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
  if (stored.Check(value)) return value;
  throw new Error(`${what} is damaged`);
}
