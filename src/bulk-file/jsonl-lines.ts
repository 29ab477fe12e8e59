/** A file of JSON Lines -> its lines. Each stands for itself, so one that is too long spoils no other. */
import { BULK_LIMITS } from '../domain/bulk-limits.ts';
import type { Bytes } from './encoding.ts';

const LINE_FEED = 0x0a;

export interface TextLine {
  /** Counted from 1. */
  readonly line: number;
  /** Without its line end; null when it has more than `rowBytes`. */
  readonly text: string | null;
}

/** `text` is UTF-8. As many lines at once as came with a piece of it; lines without any content are left out. */
export async function* jsonLines(text: Bytes): AsyncGenerator<TextLine[]> {
  const open = new OpenLine();
  let line = 1;
  for await (const piece of text) {
    const lines: TextLine[] = [];
    let from = 0;
    for (let at = piece.indexOf(LINE_FEED); at !== -1; at = piece.indexOf(LINE_FEED, from)) {
      open.add(piece.subarray(from, at));
      const whole = open.close();
      if (whole !== '') lines.push({ line, text: whole });
      line++;
      from = at + 1;
    }
    open.add(piece.subarray(from));
    if (lines.length > 0) yield lines;
  }
  const last = open.close();
  if (last !== '') yield [{ line, text: last }];
}

/** What has come of a line so far, and no more of it than a line may have. */
class OpenLine {
  #pieces: Uint8Array[] = [];
  #bytes = 0;

  add(piece: Uint8Array): void {
    this.#bytes += piece.length;
    if (this.#bytes > BULK_LIMITS.rowBytes) this.#pieces = [];
    // A copy: the piece is the view of a buffer that is used again.
    else if (piece.length > 0) this.#pieces.push(Buffer.from(piece));
  }

  close(): string | null {
    const isTooLong = this.#bytes > BULK_LIMITS.rowBytes;
    const text = Buffer.concat(this.#pieces).toString('utf8').trim();
    this.#pieces = [];
    this.#bytes = 0;
    return isTooLong ? null : text;
  }
}
