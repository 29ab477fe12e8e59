/** Byte-level byte-pair encoding of one word, with CLIP's end-of-word mark (Sennrich et al. 2016; Radford et al. 2019). */
import type { TokenizerFiles } from './tokenizer-files.ts';

const END_OF_WORD = '</w>';
/** Enough for the words of any real prompt mix; bounds the memory that strange prompts can take. */
const CACHE_ENTRIES = 16_384;
/** Longer "words" are emoji runs and noise: computed every time, never kept. */
const CACHED_WORD_CHARS = 64;

/** What two neighbouring symbols become, and how early. */
interface Merge {
  readonly rank: number;
  readonly id: number;
}

export class BytePairEncoder {
  /** Symbol id of every byte, inside a word and at its end. */
  readonly #inner: Int32Array;
  readonly #final: Int32Array;
  readonly #merges: ReadonlyMap<number, Merge>;
  /** Ids are below this, so `left * base + right` names a pair. */
  readonly #base: number;
  readonly #cache = new Map<string, readonly number[]>();

  constructor(files: TokenizerFiles) {
    const { vocabulary } = files;
    const unknown = requireId(vocabulary, files.specials.unk);
    this.#base = Math.max(...vocabulary.values()) + 1;
    const symbols = byteSymbols();
    this.#inner = Int32Array.from(symbols, (symbol) => vocabulary.get(symbol) ?? unknown);
    this.#final = Int32Array.from(symbols, (symbol) => vocabulary.get(symbol + END_OF_WORD) ?? unknown);
    this.#merges = new Map(
      files.merges.map(([left, right], rank) => {
        const pair = requireId(vocabulary, left) * this.#base + requireId(vocabulary, right);
        return [pair, { rank, id: requireId(vocabulary, left + right) }];
      }),
    );
  }

  /** A word without whitespace -> its token ids, at least one. */
  encode(word: string): readonly number[] {
    if (word.length > CACHED_WORD_CHARS) return this.#merge(word);
    const known = this.#cache.get(word);
    if (known !== undefined) return known;
    const ids = this.#merge(word);
    // A Map iterates in order of insertion: its first key is the oldest word.
    const [oldest] = this.#cache.keys();
    if (this.#cache.size === CACHE_ENTRIES && oldest !== undefined) this.#cache.delete(oldest);
    this.#cache.set(word, ids);
    return ids;
  }

  /** Merges the earliest-ranked pair, everywhere it occurs, until no known pair is left. */
  #merge(word: string): readonly number[] {
    const bytes = Buffer.from(word, 'utf8');
    let ids = Array.from(bytes, (byte, i) => (i === bytes.length - 1 ? this.#final : this.#inner)[byte]!);
    for (let best = this.#earliest(ids); best !== undefined; best = this.#earliest(ids)) {
      const merged: number[] = [];
      for (let i = 0; i < ids.length; i++) {
        const isPair = i + 1 < ids.length && this.#find(ids, i) === best;
        merged.push(isPair ? best.id : ids[i]!);
        if (isPair) i++;
      }
      ids = merged;
    }
    return ids;
  }

  #earliest(ids: readonly number[]): Merge | undefined {
    let best: Merge | undefined;
    for (let i = 0; i + 1 < ids.length; i++) {
      const merge = this.#find(ids, i);
      if (merge !== undefined && (best === undefined || merge.rank < best.rank)) best = merge;
    }
    return best;
  }

  #find(ids: readonly number[], i: number): Merge | undefined {
    return this.#merges.get(ids[i]! * this.#base + ids[i + 1]!);
  }
}

export function requireId(vocabulary: ReadonlyMap<string, number>, token: string): number {
  const id = vocabulary.get(token);
  if (id === undefined)
    throw new Error(`vocab.json has no token ${JSON.stringify(token)}, which other files name`);
  return id;
}

/**
 * GPT-2's printable stand-in for each byte: printable Latin-1 stands for itself, the rest takes code points from
 * U+0100 on, in order.
 */
function byteSymbols(): string[] {
  const isPrintable = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(isPrintable(byte) ? byte : next++));
}
