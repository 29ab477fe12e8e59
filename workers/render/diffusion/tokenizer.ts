/**
 * CLIP's byte-pair tokenizer, read from the files a model publishes. Gives the ids of the Hugging Face "fast"
 * tokenizer, which differs from OpenAI's original in two ways: Unicode NFC in place of ftfy, no HTML unescaping.
 */
import { BytePairEncoder, requireId } from './byte-pairs.ts';
import { readTokenizerFiles, type TokenizerFiles } from './tokenizer-files.ts';

/** Positions of CLIP's text transformer: BOS, 75 tokens, EOS; or fewer tokens and padding. */
export const TEXT_POSITIONS = 77;

/** `\s` of JavaScript has U+FEFF and lacks U+0085, hence the Unicode property. Digits stand alone. */
const WORD = /'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\p{White_Space}\p{L}\p{N}]+/gu;

export class ClipTokenizer {
  readonly #words: BytePairEncoder;
  readonly #bos: number;
  readonly #eos: number;
  readonly #pad: number;
  readonly #specialIds: ReadonlyMap<string, number>;
  readonly #specials: RegExp;

  constructor(files: TokenizerFiles) {
    const { vocabulary, specials } = files;
    this.#words = new BytePairEncoder(files);
    this.#bos = requireId(vocabulary, specials.bos);
    this.#eos = requireId(vocabulary, specials.eos);
    this.#pad = requireId(vocabulary, specials.pad);
    this.#specialIds = new Map(
      Object.values(specials).map((token) => [normalize(token), requireId(vocabulary, token)]),
    );
    const alternatives = [...this.#specialIds.keys()].map((token) =>
      token.replace(/[^\p{L}\p{N}]/gu, '\\$&'),
    );
    this.#specials = new RegExp(`(${alternatives.join('|')})`);
  }

  /**
   * Reads `vocab.json`, `merges.txt` and the special-token files of a published `tokenizer/` folder.
   * Throws when one is missing or malformed, or names a token that the vocabulary lacks.
   */
  static async fromFolder(dir: string): Promise<ClipTokenizer> {
    const files = await readTokenizerFiles(dir);
    try {
      return new ClipTokenizer(files);
    } catch (cause) {
      throw new Error(`The tokenizer in ${dir} contradicts itself`, { cause });
    }
  }

  /** text -> `[77]` ids: BOS, at most 75 tokens, EOS, padding. Longer texts are cut, as in diffusers. */
  encode(text: string): Int32Array {
    const ids = new Int32Array(TEXT_POSITIONS).fill(this.#pad);
    ids[0] = this.#bos;
    let length = 1;
    for (const id of this.#tokens(normalize(text))) {
      if (length === TEXT_POSITIONS - 1) break;
      ids[length++] = id;
    }
    ids[length] = this.#eos;
    return ids;
  }

  /**
   * Special tokens are split out before words are formed. Stable Diffusion 2 pads with "!", so there every "!" in
   * a prompt becomes the padding id, and its images depend on it (huggingface/diffusers issue 4153).
   */
  *#tokens(text: string): Generator<number, void> {
    for (const part of text.split(this.#specials)) {
      const special = this.#specialIds.get(part);
      if (special !== undefined) yield special;
      else for (const [word] of part.matchAll(WORD)) yield* this.#words.encode(word);
    }
  }
}

/**
 * The reference lowercases code point by code point, so a capital sigma at the end of a word becomes a plain one;
 * JavaScript would write a final sigma there.
 */
function normalize(text: string): string {
  return text
    .normalize('NFC')
    .replace(/\p{White_Space}+/gu, ' ')
    .replaceAll('Σ', 'σ')
    .toLowerCase();
}
