/** A table in CSV -> its records, each with the line it starts in. */
import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { CsvError, parse, type Parser } from 'csv-parse';
import { BULK_LIMITS } from '../domain/bulk-limits.ts';
import { dialectOf } from './dialect.ts';
import type { Bytes } from './encoding.ts';
import { fileFault } from './file-fault.ts';

export interface CsvRecord {
  /** Where it starts, counted from 1: a quoted cell may have several lines. */
  readonly line: number;
  readonly cells: readonly string[];
}

export interface CsvTable {
  readonly header: CsvRecord;
  /** As many at once as came with a piece of the text. Records without any content are left out. */
  readonly records: AsyncIterable<CsvRecord[]>;
}

/**
 * `text` is UTF-8. Throws KilnError `invalid_request` for a text without a record. Reading the records throws one for what
 * ends all reading: a quote that is never closed, a record beyond the limit.
 */
export async function openCsv(text: Bytes, isKnown: (name: string) => boolean): Promise<CsvTable> {
  const dialect = await dialectOf(text, isKnown);
  const batches = parsed(dialect.text, dialect.delimiter, dialect.line);
  for (let next = await batches.next(); next.done !== true; next = await batches.next()) {
    const [header, ...rest] = next.value;
    if (header !== undefined) return { header, records: followed(rest, batches) };
  }
  throw fileFault('is empty: its first line must name the columns');
}

async function* followed(first: CsvRecord[], rest: AsyncGenerator<CsvRecord[]>): AsyncGenerator<CsvRecord[]> {
  yield first;
  yield* rest;
}

async function* parsed(text: Bytes, delimiter: string, firstLine: number): AsyncGenerator<CsvRecord[]> {
  const parser = parse({
    delimiter,
    relax_quotes: true,
    relax_column_count: true,
    trim: true,
    // Without all three, a file with mixed line ends loses rows.
    record_delimiter: ['\r\n', '\n', '\r'],
    // Nothing is skipped, and lines are counted here: the parser's own count is of the end of a record, and having it
    // for each takes three times as long.
    skip_empty_lines: false,
    max_record_size: BULK_LIMITS.rowBytes,
  });
  let found: string[][] = [];
  let line = firstLine;
  parser.on('data', (cells: string[]) => found.push(cells));
  const ended = once(parser, 'end');
  // It is looked at below; until then a failure of the parser is that of a write.
  ended.catch(() => undefined);
  const take = (): CsvRecord[] => {
    const records: CsvRecord[] = [];
    for (const cells of found) {
      if (cells.some((cell) => cell !== '')) records.push({ line, cells });
      line += 1 + linesWithin(cells);
    }
    found = [];
    return records;
  };
  try {
    for await (const piece of text) {
      await write(parser, piece);
      if (found.length > 0) yield take();
    }
    // What was parsed is handed over first: a failure at the end drops what is still in the pipe.
    await turn();
    yield take();
    parser.end();
    await ended;
    yield take();
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw csvFault(error, line);
  } finally {
    parser.destroy();
  }
}

function write(parser: Parser, piece: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    parser.write(piece, (error) => (error instanceof Error ? reject(error) : resolve()));
  });
}

function linesWithin(cells: readonly string[]): number {
  let lines = 0;
  for (const cell of cells) {
    if (cell.includes('\n') || cell.includes('\r')) lines += cell.split(/\r\n|\n|\r/).length - 1;
  }
  return lines;
}

/** `line` is where the record starts that could not be read to its end. */
function csvFault(error: CsvError, line: number): Error {
  if (error.code === 'CSV_QUOTE_NOT_CLOSED') {
    const message = 'has a quote that is opened and never closed, in the row that starts here';
    return fileFault(message, { line, cause: error });
  }
  if (error.code === 'CSV_MAX_RECORD_SIZE') {
    const limit = BULK_LIMITS.rowBytes;
    const seen: unknown = error['lines'];
    const message = `has a row of more than ${limit} bytes, perhaps because a quote is never closed, up to about here`;
    return fileFault(message, { line: typeof seen === 'number' ? seen : line, limit, cause: error });
  }
  return fileFault(`cannot be read as CSV: ${error.message}`, { line, cause: error });
}
