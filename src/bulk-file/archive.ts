/**
 * A zip that holds a table and the images its rows name. Names in it only ever serve to find entries, never as paths;
 * sizes are looked at before anything is unpacked, and yauzl holds the bytes to them.
 */
import { buffer } from 'node:stream/consumers';
import { fromFdPromise, type Entry, type ZipFile } from 'yauzl';
import { BULK_LIMITS } from '../domain/bulk-limits.ts';
import { KilnError } from '../domain/errors.ts';
import { INPUT_LIMITS } from '../domain/input-limits.ts';
import type { Bytes } from './encoding.ts';
import { fileFault } from './file-fault.ts';
import type { FileOrFault, ImageFiles } from './row-images.ts';

export type TableFormat = 'csv' | 'jsonl';

export interface Archive {
  readonly format: TableFormat;
  readonly table: Bytes;
  readonly images: ImageFiles;
}

const FORMATS: ReadonlyMap<string, TableFormat> = new Map([
  ['csv', 'csv'],
  ['tsv', 'csv'],
  ['txt', 'csv'],
  ['jsonl', 'jsonl'],
  ['ndjson', 'jsonl'],
]);
/** Written along by systems that pack folders. */
const LITTER = /(^|\/)(__MACOSX\/|\.|Thumbs\.db$|desktop\.ini$)/;
const WORKBOOK = /^xl\/workbook\.(xml|bin)$/;
/** Images hardly get smaller in a zip, so more than this is no use of one. */
const UNPACKED_BYTES = 4 * BULK_LIMITS.fileBytes;
const STORED_OR_DEFLATED: ReadonlySet<number> = new Set([0, 8]);

/** `fd` is of the whole file, and stays the caller's. Throws KilnError `invalid_request` for what is no such zip. */
export async function openArchive(fd: number): Promise<Archive> {
  try {
    const zip = await fromFdPromise(fd, { lazyEntries: true, autoClose: false });
    const entries = await entriesOf(zip);
    const [name, entry] = tableAmong(entries);
    const folder = name.slice(0, name.lastIndexOf('/') + 1);
    return {
      format: formatOf(name) ?? 'csv',
      table: await zip.openReadStreamPromise(entry),
      images: { read: (asked) => readImage(zip, entryOf(asked, folder, entries)) },
    };
  } catch (error) {
    if (error instanceof KilnError) throw error;
    throw brokenZip(error);
  }
}

async function entriesOf(zip: ZipFile): Promise<Map<string, Entry>> {
  const limit = BULK_LIMITS.zipEntries;
  if (zip.entryCount > limit) {
    throw fileFault(`is a zip of ${zip.entryCount} entries; at most ${limit} are taken`, { limit });
  }
  const entries = new Map<string, Entry>();
  let bytes = 0;
  for await (const entry of zip.eachEntry()) {
    if (entry.fileName.endsWith('/') || LITTER.test(entry.fileName)) continue;
    const name = comparable(entry.fileName);
    if (WORKBOOK.test(name)) throw fileFault('is an Excel workbook: save the sheet as CSV');
    if (entries.has(name)) throw fileFault('is a zip with two files of one name', { value: name });
    entries.set(name, entry);
    bytes += entry.uncompressedSize;
    if (bytes > UNPACKED_BYTES) {
      throw fileFault('is a zip of too much once it is unpacked', { limit: UNPACKED_BYTES });
    }
  }
  return entries;
}

function tableAmong(entries: ReadonlyMap<string, Entry>): [name: string, entry: Entry] {
  const tables = [...entries].filter(([name]) => formatOf(name) !== undefined);
  const [table, second] = tables;
  const kinds = [...FORMATS.keys()].map((extension) => `.${extension}`);
  if (table === undefined) {
    throw fileFault('is a zip without a table', { limit: kinds });
  }
  if (second !== undefined) {
    const value = tables.slice(0, 8).map(([name]) => name);
    throw fileFault(`is a zip of ${tables.length} tables; one is taken at a time`, { value, limit: kinds });
  }
  const [name, entry] = table;
  const limit = BULK_LIMITS.tableBytes;
  const fault = entryFault(entry, limit);
  if (fault !== undefined) throw fileFault(`is a zip whose table ${fault}`, { value: name, limit });
  return table;
}

function formatOf(name: string): TableFormat | undefined {
  return FORMATS.get(name.slice(name.lastIndexOf('.') + 1).toLowerCase());
}

/** By its place beside the table, else from the top of the zip. */
function entryOf(asked: string, folder: string, entries: ReadonlyMap<string, Entry>): Entry | undefined {
  const name = comparable(asked).replace(/^(\.\/)+/, '');
  return entries.get(folder + name) ?? entries.get(name);
}

/** Zips of Macs spell an umlaut as two characters, most tables as one; those of old Windows have backslashes. */
function comparable(name: string): string {
  return name.replaceAll('\\', '/').normalize('NFC');
}

async function readImage(zip: ZipFile, entry: Entry | undefined): Promise<FileOrFault> {
  if (entry === undefined) return undefined;
  const limit = INPUT_LIMITS.fileBytes;
  const fault = entryFault(entry, limit);
  if (fault !== undefined) return { message: fault, limit };
  try {
    return await buffer(await zip.openReadStreamPromise(entry));
  } catch (error) {
    return { message: `cannot be unpacked: ${error instanceof Error ? error.message : String(error)}` };
  }
}

function entryFault(entry: Entry, limit: number): string | undefined {
  if (entry.isEncrypted()) return 'is encrypted';
  if (!STORED_OR_DEFLATED.has(entry.compressionMethod)) return 'is compressed in a way that is not taken';
  return entry.uncompressedSize > limit ? `has more than ${limit} bytes` : undefined;
}

function brokenZip(cause: unknown): Error {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return fileFault(`is no zip that can be read: ${reason.slice(0, 200)}`, { cause });
}
