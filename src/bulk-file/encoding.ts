/**
 * Text in any encoding that is taken -> UTF-8 without a byte order mark, piece by piece. What is no text is refused here,
 * with the line, before anything is made of it.
 */
import { isUtf8 } from 'node:buffer';
import { fileFault } from './file-fault.ts';

export const ENCODINGS = ['utf-8', 'utf-16le', 'utf-16be', 'windows-1252'] as const;
export type Encoding = (typeof ENCODINGS)[number];

export type Bytes = AsyncIterable<Uint8Array>;

/** The longest mark or magic number. */
const START_BYTES = 8;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

const MARKS: ReadonlyArray<readonly [Encoding, string]> = [
  ['utf-8', '\xef\xbb\xbf'],
  ['utf-16le', '\xff\xfe'],
  ['utf-16be', '\xfe\xff'],
];

/** Files that people send for a table by mistake. */
const FOREIGN: ReadonlyArray<readonly [string, string]> = [
  [
    'is a zip archive or an Excel workbook: save the sheet as CSV, or send a zip as application/zip',
    'PK\x03\x04',
  ],
  ['is an Excel workbook of the old kind: save the sheet as CSV', '\xd0\xcf\x11\xe0'],
  ['is compressed with gzip: unpack it first', '\x1f\x8b'],
  ['is a PDF', '%PDF'],
  ['is a PNG image', '\x89PNG'],
  ['is a JPEG image', '\xff\xd8\xff'],
];

/**
 * `asked` is for files that do not say what they are: without it and without a mark they are UTF-8. A mark has the last
 * word. Throws KilnError `invalid_request` for what is no text in that encoding, and for NUL.
 */
export async function* utf8Text(source: Bytes, asked: Encoding = 'utf-8'): AsyncGenerator<Buffer> {
  const { start, whole } = await lookAhead(source, START_BYTES);
  const head = start.toString('latin1');
  const foreign = FOREIGN.find(([, magic]) => head.startsWith(magic));
  if (foreign !== undefined) throw fileFault(foreign[0]);
  const mark = MARKS.find(([, bytes]) => head.startsWith(bytes));
  const encoding = mark?.[0] ?? asked;
  const lines = new LineCount();
  for await (const piece of encoding === 'utf-8'
    ? wholeCharacters(whole, lines)
    : decoded(whole, encoding, lines)) {
    const text =
      lines.isFirst && piece.toString('latin1', 0, 3) === '\xef\xbb\xbf' ? piece.subarray(3) : piece;
    refuseNul(text, lines);
    lines.pass(text);
    yield text;
  }
}

/** The first bytes of a stream, at least `length` unless it is shorter, and the stream as if nobody had looked. */
export async function lookAhead(source: Bytes, length: number): Promise<{ start: Buffer; whole: Bytes }> {
  const pieces = source[Symbol.asyncIterator]();
  let start = Buffer.alloc(0);
  while (start.length < length) {
    const next = await pieces.next();
    if (next.done === true) return { start, whole: replay(start, undefined) };
    start = start.length === 0 ? Buffer.from(next.value) : Buffer.concat([start, next.value]);
  }
  return { start, whole: replay(start, pieces) };
}

async function* replay(
  start: Buffer,
  rest: AsyncIterator<Uint8Array> | undefined,
): AsyncGenerator<Uint8Array> {
  try {
    if (start.length > 0) yield start;
    for (let next = await rest?.next(); next !== undefined && next.done !== true; next = await rest?.next()) {
      yield next.value;
    }
  } finally {
    await rest?.return?.();
  }
}

/** Lines that have passed: an old Mac's CR, a LF, and CR LF end one each. */
class LineCount {
  #breaks = 0;
  #lastByte = 0;
  isFirst = true;

  /** Of the line that comes next, counted from 1. */
  get line(): number {
    return this.#breaks + 1;
  }

  pass(text: Uint8Array): void {
    this.isFirst = false;
    for (const byte of text) {
      if (byte === CARRIAGE_RETURN || (byte === LINE_FEED && this.#lastByte !== CARRIAGE_RETURN))
        this.#breaks++;
      this.#lastByte = byte;
    }
  }
}

/** Cuts between characters, so that each piece can be held against UTF-8 by itself. */
async function* wholeCharacters(source: Bytes, lines: LineCount): AsyncGenerator<Buffer> {
  let carried = Buffer.alloc(0);
  for await (const bytes of source) {
    const all = carried.length === 0 ? Buffer.from(bytes) : Buffer.concat([carried, bytes]);
    const end = all.length - unfinished(all);
    carried = all.subarray(end);
    const piece = all.subarray(0, end);
    if (!isUtf8(piece)) throw notText('utf-8', lineOfBadUtf8(piece, lines));
    if (piece.length > 0) yield piece;
  }
  if (carried.length > 0) throw notText('utf-8', lines.line);
}

/** Bytes at the end that begin a character but do not end it (RFC 3629, section 3). */
function unfinished(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    // A continuation: its first byte is further back.
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}

/** No character but LF has the byte 0x0a, so each line can be held against UTF-8 by itself. */
function lineOfBadUtf8(piece: Buffer, lines: LineCount): number {
  let from = 0;
  for (let at = piece.indexOf(LINE_FEED); at !== -1; at = piece.indexOf(LINE_FEED, from)) {
    if (!isUtf8(piece.subarray(from, at))) break;
    from = at + 1;
  }
  lines.pass(piece.subarray(0, from));
  return lines.line;
}

async function* decoded(source: Bytes, encoding: Encoding, lines: LineCount): AsyncGenerator<Buffer> {
  const decoder = new TextDecoder(encoding, { fatal: true });
  const decode = (bytes?: Uint8Array): Buffer => {
    try {
      return Buffer.from(bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true }));
    } catch (error) {
      throw notText(encoding, lines.line, error);
    }
  };
  for await (const bytes of source) {
    const piece = decode(bytes);
    if (piece.length > 0) yield piece;
  }
  const rest = decode();
  if (rest.length > 0) yield rest;
}

function notText(encoding: Encoding, line: number, cause?: unknown): Error {
  const hint = encoding === 'utf-8' ? '; if an older program wrote it, send encoding=windows-1252' : '';
  const near = encoding === 'utf-8' ? '' : ', from this line on';
  return fileFault(`is not text in ${encoding}${near}${hint}`, { line, limit: ENCODINGS, cause });
}

function refuseNul(text: Buffer, lines: LineCount): void {
  const at = text.indexOf(0);
  if (at === -1) return;
  const isFirst = lines.isFirst;
  lines.pass(text.subarray(0, at));
  // ASCII in UTF-16 has a NUL in every other byte.
  const isWide = isFirst && at < 2 && text.indexOf(0, at + 1) === at + 2;
  const hint = isWide
    ? 'looks like UTF-16 without a byte order mark: send encoding=utf-16le or utf-16be'
    : 'holds the character NUL';
  throw fileFault(hint, { line: lines.line });
}
