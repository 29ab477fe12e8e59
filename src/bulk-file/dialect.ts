/** What separates the cells of a table, told by the line that names its columns and by nothing else. */
import { BULK_LIMITS } from '../domain/bulk-limits.ts';
import { lookAhead, type Bytes } from './encoding.ts';
import { fileFault } from './file-fault.ts';

/** The first wins when several would do. */
const DELIMITERS = [',', ';', '\t', '|'] as const;
/** Some spreadsheet programs write, and read, such a line above the table. */
const SEPARATOR_LINE = /^sep=(.)$/i;

export interface Dialect {
  readonly delimiter: string;
  /** From the line that names the columns on. */
  readonly text: Bytes;
  /** Of that line, counted from 1. */
  readonly line: number;
}

/** `text` is UTF-8; `isKnown` tells the names of columns from chance. */
export async function dialectOf(text: Bytes, isKnown: (name: string) => boolean): Promise<Dialect> {
  const { start, whole } = await lookAhead(text, BULK_LIMITS.rowBytes);
  const head = start.toString('utf8');
  const [first = ''] = head.split(/\r\n|\n|\r/, 1);
  const [, separator] = SEPARATOR_LINE.exec(first) ?? [];
  if (separator !== undefined) {
    const rest = head.slice(first.length).replace(/^(\r\n|\n|\r)/, '');
    const skipped = Buffer.byteLength(head) - Buffer.byteLength(rest);
    return { delimiter: separator, text: withoutStart(whole, skipped), line: 2 };
  }
  return { delimiter: delimiterOf(headerOf(head), isKnown), text: whole, line: 1 };
}

/** The one that yields the most columns with known names. */
function delimiterOf(header: string, isKnown: (name: string) => boolean): string {
  const scores = DELIMITERS.map((delimiter) => {
    const names = header.split(delimiter).map((cell) => cell.trim().replaceAll(/^"|"$/g, '').trim());
    return { delimiter, known: names.filter(isKnown).length };
  });
  const best = scores.reduce((a, b) => (b.known > a.known ? b : a));
  return best.delimiter;
}

/** The first line that is not empty, up to a line end outside of quotes. */
function headerOf(head: string): string {
  let isQuoted = false;
  const text = head.trimStart();
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '"') isQuoted = !isQuoted;
    else if (!isQuoted && (character === '\n' || character === '\r')) return text.slice(0, at);
  }
  if (text.length >= BULK_LIMITS.rowBytes) {
    throw fileFault(`has no line end in its first ${BULK_LIMITS.rowBytes} bytes`, {
      limit: BULK_LIMITS.rowBytes,
    });
  }
  return text;
}

async function* withoutStart(text: Bytes, bytes: number): AsyncGenerator<Uint8Array> {
  let left = bytes;
  for await (const piece of text) {
    if (left < piece.length) yield piece.subarray(left);
    left = Math.max(0, left - piece.length);
  }
}
