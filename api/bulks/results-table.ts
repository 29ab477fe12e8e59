/** `results.csv`: the table as it was sent, row by row, each with what has become of it. */
import { Buffer } from 'node:buffer';
import { openCsv } from '../../src/bulk-file/csv-records.ts';
import { csvLines } from '../../src/bulk-file/csv-lines.ts';
import { RESULT_COLUMNS } from '../../src/bulk-file/columns.ts';
import { utf8Text } from '../../src/bulk-file/encoding.ts';
import { jsonLines } from '../../src/bulk-file/jsonl-lines.ts';
import type { BulkRef } from '../../src/domain/bulk.ts';
import type { BulkFile } from '../../src/storage/bulk-file-document.ts';
import { bulkFaultsFolder, bulkTableFolder } from '../../src/storage/object-keys.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { readPieces } from '../../src/storage/pieces.ts';
import type { ResultRow } from './result-rows.ts';

/** A row of the file as it was sent. */
interface SentRow {
  readonly line: number;
  readonly cells: readonly string[];
}

/** What the result columns of a row show. */
export interface ResultCells {
  imageUrls(row: ResultRow): readonly string[];
  /** Names in the zip. */
  imageFiles(row: ResultRow): readonly string[];
}

export interface TableSources {
  readonly store: Pick<ObjectStore, 'get'>;
  readonly ref: BulkRef;
  readonly file: BulkFile;
  readonly rows: AsyncIterable<readonly ResultRow[]>;
  readonly show: ResultCells;
}

/** UTF-8, LF, a comma between cells; what would be a formula begins with an apostrophe. */
export async function* resultsTable(sources: TableSources): AsyncGenerator<Uint8Array> {
  const { file, show } = sources;
  const results = new InOrder(sources.rows);
  const faults = new InOrder(faultRows(sources));
  yield Buffer.from(csvLines([[...file.columns, ...RESULT_COLUMNS]]));
  for await (const sent of sentRows(sources)) {
    const last = sent.at(-1)?.line ?? 0;
    const known = await results.until(last);
    const refused = await faults.until(last);
    const lines = sent.map(({ line, cells }) => {
      const own = file.columns.map((_column, n) => cells[n] ?? '');
      const row = known.get(line);
      return [...own, ...(row === undefined ? rejected(refused.get(line)?.text) : resultCells(row, show))];
    });
    yield Buffer.from(csvLines(lines));
  }
}

/** In the order of RESULT_COLUMNS. */
function resultCells(row: ResultRow, show: ResultCells): string[] {
  const { state, job, seeds, error } = row;
  const lists = [show.imageUrls(row), show.imageFiles(row), seeds].map((list) => list.join(' '));
  return [state, job ?? '', ...lists, error ?? ''];
}

function rejected(fault: string | undefined): string[] {
  return ['rejected', '', '', '', '', fault ?? ''];
}

async function* sentRows({ store, ref, file }: TableSources): AsyncGenerator<SentRow[]> {
  const bytes = readPieces(store, bulkTableFolder(ref), file.table.count);
  const text = utf8Text(bytes, file.encoding ?? undefined);
  if (file.format === 'jsonl') {
    for await (const lines of jsonLines(text)) {
      yield lines.map((line) => ({ line: line.line, cells: cellsOf(line.text, file.columns) }));
    }
    return;
  }
  const { records } = await openCsv(text, (name) => file.columns.includes(name));
  for await (const batch of records) yield batch.map(({ line, cells }) => ({ line, cells }));
}

/** The fields of a line of JSON, by the names that columns have. Empty for a line that could not be read. */
function cellsOf(text: string | null, columns: readonly string[]): string[] {
  const fields = new Map<string, string>();
  for (const [name, value] of fieldsOf(text)) {
    fields.set(name, cellOf(value));
    if (typeof value !== 'object' || value === null || Array.isArray(value)) continue;
    for (const [inner, part] of Object.entries(value)) fields.set(`${name}.${inner}`, cellOf(part));
  }
  return columns.map((column) => fields.get(column) ?? '');
}

function fieldsOf(text: string | null): [name: string, value: unknown][] {
  try {
    const value: unknown = JSON.parse(text ?? 'null');
    return typeof value === 'object' && value !== null ? Object.entries(value) : [];
  } catch {
    // It was told of in errors.csv.
    return [];
  }
}

function cellOf(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (Array.isArray(value)) return value.map(cellOf).join(' ');
  return typeof value === 'string' ? value : JSON.stringify(value);
}

interface FaultText {
  readonly line: number;
  readonly text: string;
}

/** What `errors.csv` says of each row: a line of it for each fault, those of one row together. */
async function* faultRows({ store, ref, file }: TableSources): AsyncGenerator<FaultText[]> {
  if (file.faults.count === 0) return;
  const bytes = readPieces(store, bulkFaultsFolder(ref), file.faults.count);
  const { records } = await openCsv(bytes, (name) => name === 'line');
  let open: FaultText[] = [];
  for await (const batch of records) {
    for (const { cells } of batch) addFault(open, cells);
    // The last row may go on in the next batch.
    yield open.slice(0, -1);
    open = open.slice(-1);
  }
  yield open;
}

function addFault(rows: FaultText[], cells: readonly string[]): void {
  const [line, , column = '', , , message = ''] = cells;
  const fault = { line: Number(line), text: `${column}: ${message}` };
  const last = rows.at(-1);
  if (last?.line !== fault.line) rows.push(fault);
  else rows[rows.length - 1] = { line: last.line, text: `${last.text}; ${fault.text}` };
}

/** Rows that come in batches, in the order of their lines, handed out as far as they are wanted. */
class InOrder<Row extends { readonly line: number }> {
  readonly #batches: AsyncIterator<readonly Row[]>;
  #rows: readonly Row[] = [];
  #next = 0;

  constructor(batches: AsyncIterable<readonly Row[]>) {
    this.#batches = batches[Symbol.asyncIterator]();
  }

  /** By line: all up to this one that were not handed out before. */
  async until(line: number): Promise<ReadonlyMap<number, Row>> {
    const found = new Map<number, Row>();
    for (;;) {
      for (; this.#next < this.#rows.length; this.#next++) {
        const row = this.#rows[this.#next];
        if (row === undefined || row.line > line) return found;
        found.set(row.line, row);
      }
      const next = await this.#batches.next();
      if (next.done === true) return found;
      this.#rows = next.value;
      this.#next = 0;
    }
  }
}
