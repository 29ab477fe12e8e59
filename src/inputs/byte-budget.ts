import { KilnError } from '../domain/errors.ts';

/** How many bytes of callers this process holds at once. Who would go beyond is asked to come again. */
export class ByteBudget {
  #free: number;

  constructor(bytes: number) {
    this.#free = bytes;
  }

  /** Gives the function that gives the bytes back; calling it again does nothing. Throws KilnError `unavailable`. */
  take(bytes: number): () => void {
    if (bytes > this.#free) {
      throw new KilnError(
        'unavailable',
        'Too many large requests are under way: send this one again shortly',
      );
    }
    this.#free -= bytes;
    let isHeld = true;
    return () => {
      if (isHeld) this.#free += bytes;
      isHeld = false;
    };
  }
}
