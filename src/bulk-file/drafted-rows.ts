/** A file of either format -> what its rows ask for. */
import { columnOf, isColumnName, readHeader } from './columns.ts';
import { openCsv, type CsvRecord } from './csv-records.ts';
import { utf8Text, type Bytes, type Encoding } from './encoding.ts';
import type { TableFormat } from './archive.ts';
import { jsonLines, type TextLine } from './jsonl-lines.ts';
import { BULK_LIMITS } from '../domain/bulk-limits.ts';
import { draftOfJson, TableReader, type RowDefaults, type RowDraft } from './row-request.ts';

export interface DraftedRow extends RowDraft {
  /** Where it starts, counted from 1. */
  readonly line: number;
}

export interface DraftedFile {
  /** Those of the table, as they are written there; of JSON Lines, the fields that were met, once all are read. */
  readonly columns: () => readonly string[];
  readonly batches: AsyncIterable<DraftedRow[]>;
}

export async function draftedRows(
  bytes: Bytes,
  { format, encoding }: { readonly format: TableFormat; readonly encoding: Encoding | undefined },
  defaults: RowDefaults,
): Promise<DraftedFile> {
  const text = utf8Text(bytes, encoding);
  if (format === 'jsonl') {
    const met = new Set<string>();
    return { columns: () => [...met], batches: ofLines(jsonLines(text), defaults, met) };
  }
  const { header, records } = await openCsv(text, isColumnName);
  const cells = readHeader(header.cells, header.line);
  return { columns: () => header.cells, batches: ofTable(records, new TableReader(cells, defaults)) };
}

async function* ofTable(
  batches: AsyncIterable<CsvRecord[]>,
  reader: TableReader,
): AsyncGenerator<DraftedRow[]> {
  for await (const records of batches) {
    yield records.map(({ line, cells }) => ({ line, ...reader.draft(cells) }));
  }
}

async function* ofLines(
  batches: AsyncIterable<TextLine[]>,
  defaults: RowDefaults,
  met: Set<string>,
): AsyncGenerator<DraftedRow[]> {
  for await (const lines of batches) {
    const drafts = lines.map(({ line, text }) => ({
      line,
      ...(text === null ? tooLong() : draftOfJson(text, defaults)),
    }));
    for (const { request } of drafts) noteFields(request, met);
    yield drafts;
  }
}

function tooLong(): RowDraft {
  const limit = BULK_LIMITS.rowBytes;
  const fault = { field: '(the row)', limit, message: `has more than ${limit} bytes` };
  return { ref: null, request: {}, faults: [fault] };
}

/** By the names that columns would have. */
function noteFields(request: RowDraft['request'], met: Set<string>): void {
  for (const [name, value] of Object.entries(request)) {
    if (met.size >= BULK_LIMITS.columns) return;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      if (columnOf(name) !== undefined) met.add(name);
      continue;
    }
    for (const field of Object.keys(value)) {
      if (columnOf(`${name}.${field}`) !== undefined) met.add(`${name}.${field}`);
    }
  }
}
