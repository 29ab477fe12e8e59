/**
 * What is too large to be held in memory, as objects of a few megabytes each below one folder: every store can put and
 * get those, checked and tried again like any other object, and a reader holds one at a time.
 */
import { Buffer } from 'node:buffer';
import type { ObjectStore } from './object-store.ts';

const PIECE_BYTES = 4 * 1_024 * 1_024;

/** Of a stream that is whole in the store. */
export interface Pieces {
  readonly bytes: number;
  readonly count: number;
}

function pieceKey(folder: string, n: number): string {
  return `${folder}${n}`;
}

/** `folder` ends in '/'. When it rejects, pieces may be left over; they are the caller's to delete. */
export class PieceWriter {
  readonly #store: Pick<ObjectStore, 'put'>;
  readonly #folder: string;
  readonly #contentType: string;
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #bytes = 0;
  #count = 0;

  constructor(store: Pick<ObjectStore, 'put'>, folder: string, contentType: string) {
    this.#store = store;
    this.#folder = folder;
    this.#contentType = contentType;
  }

  /** Keeps the bytes, which must not be changed any more. */
  async write(bytes: Uint8Array): Promise<void> {
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    this.#bytes += bytes.length;
    if (this.#heldBytes >= PIECE_BYTES) await this.#put();
  }

  async end(): Promise<Pieces> {
    if (this.#heldBytes > 0) await this.#put();
    return { bytes: this.#bytes, count: this.#count };
  }

  async #put(): Promise<void> {
    const piece = Buffer.concat(this.#held, this.#heldBytes);
    this.#held = [];
    this.#heldBytes = 0;
    await this.#store.put(pieceKey(this.#folder, this.#count++), piece, this.#contentType);
  }
}

/** Throws when a piece is missing. */
export async function* readPieces(
  store: Pick<ObjectStore, 'get'>,
  folder: string,
  count: number,
): AsyncGenerator<Uint8Array> {
  for (let n = 0; n < count; n++) {
    const key = pieceKey(folder, n);
    const piece = await store.get(key);
    if (piece === undefined) throw new Error(`object ${key} is missing: piece ${n + 1} of ${count}`);
    yield piece;
  }
}
