/** From the file that a caller sent to the object that jobs use. */
import { createHash } from 'node:crypto';
import { INPUT_LIMITS } from '../domain/input-limits.ts';
import type { InputId } from '../domain/job.ts';
import type { ImageDecoder } from '../images/image-decoder.ts';
import { PNG_SIZE_BYTES, pngSize } from '../images/png-chunks.ts';
import { RefusedImageError } from '../images/refused-image-error.ts';
import { inputKey } from '../storage/object-keys.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { inputFault, type InputSource } from './input-fault.ts';

export const INPUT_TYPE = 'image/png';

export interface StoredInput {
  readonly id: InputId;
  readonly width: number;
  readonly height: number;
  /** Of the canonical PNG. */
  readonly bytes: number;
}

export class ImageIntake {
  readonly #store: ObjectStore;
  readonly #decoder: ImageDecoder;

  constructor({ store, decoder }: { readonly store: ObjectStore; readonly decoder: ImageDecoder }) {
    this.#store = store;
    this.#decoder = decoder;
  }

  /** Decodes the file and keeps it. Throws a KilnError that names where the file came from. */
  async take(file: Uint8Array, tenant: string, source: InputSource): Promise<StoredInput> {
    const limit = INPUT_LIMITS.fileBytes;
    if (file.length > limit) throw inputFault(source, `has more than ${limit} bytes`, { limit });
    const { png, width, height } = await this.#decoded(file, source);
    const id = `up_${createHash('sha256').update(png).digest('hex')}`;
    const key = inputKey(tenant, id);
    if (!(await this.#store.touch(key))) await this.#store.put(key, png, INPUT_TYPE);
    return { id, width, height, bytes: png.length };
  }

  /** Finds one that was kept, and keeps it for longer; undefined when there is none. */
  async find(id: InputId, tenant: string): Promise<StoredInput | undefined> {
    const key = inputKey(tenant, id);
    if (!(await this.#store.touch(key))) return undefined;
    const found = await this.#store.getStart(key, PNG_SIZE_BYTES);
    return found && { id, ...pngSize(found.start), bytes: found.size };
  }

  async #decoded(file: Uint8Array, source: InputSource) {
    try {
      return await this.#decoder.decode(file);
    } catch (error) {
      if (!(error instanceof RefusedImageError)) throw error;
      throw inputFault(source, error.message, { limit: error.limit, cause: error });
    }
  }
}
