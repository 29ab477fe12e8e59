/**
 * The rows of an earlier bulk that succeeded, found by what they asked for. A hash table in typed arrays: some 40 bytes a
 * row, where a Map of strings would take four times as much.
 */
import { parseBulkRows } from '../storage/bulk-rows.ts';
import type { CheckHost, PreviousChunk } from './check-host.ts';
import { rowDigest } from './row-digest.ts';

/** Words of 32 bits that are kept of a digest. */
const WORDS = 4;
/** The end of a chain; entries count from 0. */
const NONE = -1;

export class PreviousRows {
  readonly #words: Uint32Array;
  readonly #rows: Uint32Array;
  /** By entry, the next one of the same digest. */
  readonly #next: Int32Array;
  /** By slot: the first entry of a digest that was not taken, the last one, and any one to know the digest by. */
  readonly #first: Int32Array;
  readonly #last: Int32Array;
  readonly #known: Int32Array;
  #count = 0;

  private constructor(chunks: readonly CompactRows[]) {
    const size = chunks.reduce((sum, { rows }) => sum + rows.length, 0);
    // At most half full, so that a search soon meets an empty slot.
    const slots = 2 ** Math.ceil(Math.log2(Math.max(2, 2 * size)));
    this.#words = new Uint32Array(WORDS * size);
    this.#rows = new Uint32Array(size);
    this.#next = new Int32Array(size).fill(NONE);
    this.#first = new Int32Array(slots).fill(NONE);
    this.#last = new Int32Array(slots).fill(NONE);
    this.#known = new Int32Array(slots).fill(NONE);
    for (const { words, rows } of chunks) {
      for (const [n, row] of rows.entries()) this.#add(words.subarray(n * WORDS, (n + 1) * WORDS), row);
    }
  }

  static async read(host: CheckHost): Promise<PreviousRows> {
    const chunks: CompactRows[] = [];
    for (let n = 0; ; n++) {
      const chunk = await host.previousChunk(n);
      if (chunk === undefined) return new PreviousRows(chunks);
      chunks.push(compact(chunk, n));
    }
  }

  /**
   * The first row that asked for the same and was not taken before. Each is taken once: rows without seeds that ask for
   * the same want different pictures.
   */
  take(digest: Uint32Array): number | undefined {
    const slot = this.#slotOf(digest);
    const entry = this.#first[slot] ?? NONE;
    if (entry === NONE) return undefined;
    this.#first[slot] = this.#next[entry] ?? NONE;
    return this.#rows[entry];
  }

  #add(words: Uint32Array, row: number): void {
    const slot = this.#slotOf(words);
    const entry = this.#count++;
    this.#words.set(words, entry * WORDS);
    this.#rows[entry] = row;
    this.#known[slot] = entry;
    const last = this.#last[slot] ?? NONE;
    if (last === NONE) this.#first[slot] = entry;
    else this.#next[last] = entry;
    this.#last[slot] = entry;
  }

  /** The slot of the digest, or the empty one where it would be. */
  #slotOf(words: Uint32Array): number {
    const mask = this.#known.length - 1;
    let slot = (words[0] ?? 0) & mask;
    for (;;) {
      const entry = this.#known[slot] ?? NONE;
      if (entry === NONE || words.every((word, n) => this.#words[entry * WORDS + n] === word)) return slot;
      slot = (slot + 1) & mask;
    }
  }
}

/** The rows of a chunk that can be used again, as small as they can be. */
interface CompactRows {
  readonly words: Uint32Array;
  readonly rows: Uint32Array;
}

function compact({ lines, succeeded }: PreviousChunk, chunk: number): CompactRows {
  const words: number[] = [];
  const rows: number[] = [];
  for (const [place, stored] of parseBulkRows(lines, chunk, 'the earlier bulk').entries()) {
    if (succeeded[place] !== 1) continue;
    rows.push(stored.row);
    words.push(...rowDigest({ row: stored, hasOwnSeeds: stored.hasOwnSeeds ?? true }));
  }
  return { words: Uint32Array.from(words), rows: Uint32Array.from(rows) };
}
