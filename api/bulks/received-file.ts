/** The body of an upload, as it comes in: a table goes to the store, a zip to a file of its own that only we can read. */
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { FastifyRequest } from 'fastify';
import type { TableFormat } from '../../src/bulk-file/archive.ts';
import { lookAhead, type Bytes } from '../../src/bulk-file/encoding.ts';
import { BULK_LIMITS } from '../../src/domain/bulk-limits.ts';
import { KilnError } from '../../src/domain/errors.ts';
import type { PieceWriter } from '../../src/storage/pieces.ts';
import { formFault } from '../form-fault.ts';

const FILE = 'file';
const ZIP = 'PK\x03\x04';
const START_BYTES = 64;
export const TAKEN_TYPES =
  'multipart/form-data with one file, or the file itself as text/csv, application/x-ndjson or application/zip';

/** Types and endings of names that say what a table is. */
const JSON_LINES = /jsonl|ndjson/i;
const TABLE = /csv|tab-separated|\.tsv$/i;

/** A table is in the store, in pieces; a zip is in a file. */
export type FileSource = { readonly format: TableFormat } | { readonly zip: string };

export interface ReceivedFile {
  readonly source: FileSource;
  /** As the caller's system calls it; never used as a path. */
  readonly name: string | undefined;
  /** Of the form and of the query; those of the form count. */
  readonly fields: ReadonlyMap<string, string>;
  /** Deletes what lies on the disk. */
  readonly discard: () => Promise<void>;
}

/** Resolves when the whole body is there. Throws KilnError for a body that is none, or more than is taken. */
export async function receiveFile(request: FastifyRequest, table: PieceWriter): Promise<ReceivedFile> {
  const fields = queryFields(request.query);
  if (!request.isMultipart()) {
    const { body } = request;
    if (!isBytes(body)) throw noFile();
    const type = request.headers['content-type'] ?? '';
    return { ...(await keep(body, type, table)), name: undefined, fields };
  }
  let file: (Awaited<ReturnType<typeof keep>> & { name: string }) | undefined;
  try {
    for await (const part of request.parts()) {
      if (part.type === 'field') addField(fields, part);
      else
        file = {
          ...(await keep(part.file, `${part.mimetype} ${part.filename}`, table)),
          name: part.filename,
        };
    }
    if (file === undefined) throw noFile();
    return { ...file, fields };
  } catch (error) {
    await file?.discard();
    throw formFault(error, 'One file is taken at a time, and a value for each column', tooLarge);
  }
}

/** `said`: what the caller says of the file. A zip is told by its first bytes, whatever is said. */
async function keep(
  body: Bytes,
  said: string,
  table: PieceWriter,
): Promise<Pick<ReceivedFile, 'source' | 'discard'>> {
  const { start, whole } = await lookAhead(bounded(body), START_BYTES);
  if (start.length === 0) throw noFile();
  if (start.toString('latin1').startsWith(ZIP)) return keepZip(whole);
  for await (const piece of whole) await table.write(piece);
  const isObjects = /^(\xef\xbb\xbf)?\s*\{/.test(start.toString('latin1'));
  const isJson = JSON_LINES.test(said) || (isObjects && !TABLE.test(said));
  return { source: { format: isJson ? 'jsonl' : 'csv' }, discard: () => Promise.resolve() };
}

async function keepZip(whole: Bytes): Promise<Pick<ReceivedFile, 'source' | 'discard'>> {
  const folder = await mkdtemp(join(tmpdir(), 'kiln-upload-'));
  const discard = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const zip = join(folder, 'upload.zip');
    await pipeline(whole, createWriteStream(zip, { mode: 0o600 }));
    return { source: { zip }, discard };
  } catch (error) {
    await discard();
    throw error;
  }
}

async function* bounded(body: Bytes): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const piece of body) {
    bytes += piece.length;
    if (bytes > BULK_LIMITS.fileBytes) throw tooLarge();
    yield piece;
  }
}

function queryFields(query: unknown): Map<string, string> {
  const fields = new Map<string, string>();
  if (typeof query !== 'object' || query === null) return fields;
  for (const [field, value] of Object.entries(query)) {
    if (typeof value !== 'string') throw saidTwice(field);
    fields.set(field, value);
  }
  return fields;
}

function addField(
  fields: Map<string, string>,
  part: { readonly fieldname: string; readonly value: unknown; readonly valueTruncated: boolean },
): void {
  const { fieldname: field, value, valueTruncated } = part;
  const message = valueTruncated ? 'is longer than any column takes' : 'must be text';
  if (valueTruncated || typeof value !== 'string') {
    throw new KilnError('invalid_request', `The field ${field} cannot be taken`, {
      faults: [{ field, message }],
    });
  }
  fields.set(field, value);
}

function saidTwice(field: string): KilnError {
  const faults = [{ field, message: 'is said twice' }];
  return new KilnError('invalid_request', `The field ${field} cannot be taken`, { faults });
}

function noFile(): KilnError {
  return new KilnError('invalid_request', 'There is no file in the request', {
    faults: [{ field: FILE, message: `is required: ${TAKEN_TYPES}` }],
  });
}

function tooLarge(cause?: unknown): KilnError {
  const limit = BULK_LIMITS.fileBytes;
  const message = `The file may have at most ${limit} bytes`;
  return new KilnError('payload_too_large', message, { faults: [{ field: FILE, limit, message }], cause });
}

function isBytes(body: unknown): body is Bytes {
  return typeof body === 'object' && body !== null && Symbol.asyncIterator in body;
}
