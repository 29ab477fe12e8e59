/** Text rows by what they were made of, so that a prompt (and above all the empty one) is encoded once. */
import type { LoadedModel } from './loaded-model.ts';

export type TextEncoding = Pick<
  LoadedModel,
  'name' | 'textEncoderDigest' | 'textEncoderLayers' | 'tokenize' | 'encodeText'
>;

export class TextCache {
  readonly #maxBytes: number;
  /** A Map iterates in order of insertion; entries are put back on use, so the first is the least recently used. */
  readonly #rows = new Map<string, Float32Array>();
  #bytes = 0;
  #hits = 0;
  #misses = 0;

  /** `maxBytes` bounds the rows kept; one prompt takes 77 x 4 bytes x the width of the text encoder. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get hits(): number {
    return this.#hits;
  }

  get misses(): number {
    return this.#misses;
  }

  /** Bytes kept at the moment. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * text -> `[77, crossAttentionDim]`, shared: the caller must not write to it. Rejects when the encoder fails or has
   * no layer left after the last `clipSkip` are left out.
   */
  async rows(model: TextEncoding, text: string, clipSkip: number): Promise<Float32Array> {
    refuseMissingLayer(model, clipSkip);
    const ids = model.tokenize(text);
    const key = `${model.textEncoderDigest}:${clipSkip}:${ids.join()}`;
    const known = this.#rows.get(key);
    if (known !== undefined) {
      this.#hits++;
      this.#rows.delete(key);
      this.#rows.set(key, known);
      return known;
    }
    this.#misses++;
    const rows = await model.encodeText(ids, clipSkip);
    this.#keep(key, rows);
    return rows;
  }

  #keep(key: string, rows: Float32Array): void {
    // Another sample may have encoded the same text while this one waited.
    this.#drop(key);
    this.#rows.set(key, rows);
    this.#bytes += rows.byteLength;
    for (const oldest of this.#rows.keys()) {
      if (this.#bytes <= this.#maxBytes) break;
      this.#drop(oldest);
    }
  }

  #drop(key: string): void {
    this.#bytes -= this.#rows.get(key)?.byteLength ?? 0;
    this.#rows.delete(key);
  }
}

function refuseMissingLayer({ name, textEncoderLayers: layers }: TextEncoding, clipSkip: number): void {
  if (Number.isInteger(clipSkip) && clipSkip >= 0 && clipSkip < layers) return;
  throw new RangeError(
    `clip_skip is ${clipSkip}, but must be a whole number from 0 to ${layers - 1}: ` +
      `the text encoder of ${name} has ${layers} layers`,
  );
}
