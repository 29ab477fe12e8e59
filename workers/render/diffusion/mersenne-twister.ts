/** MT19937 (Matsumoto & Nishimura 1998), seeded and tempered as in the authors' `init_genrand`. */
const SIZE = 624;
const SHIFT = 397;

export interface TwisterState {
  /** `[624]`. */
  readonly words: Uint32Array;
  /** How many of them are used up, of 624. */
  readonly used: number;
}

export class MersenneTwister {
  readonly #state = new Uint32Array(SIZE);
  #next = SIZE;

  /** `seed` is taken modulo 2^32. */
  constructor(seed: number) {
    this.#state[0] = seed % 2 ** 32;
    for (let i = 1; i < SIZE; i++) {
      const previous = this.#state[i - 1]!;
      this.#state[i] = Math.imul(1812433253, previous ^ (previous >>> 30)) + i;
    }
  }

  get state(): TwisterState {
    return { words: this.#state.slice(), used: this.#next };
  }

  /** Goes on where another was. Throws a RangeError when no generator can have been there. */
  set state({ words, used }: TwisterState) {
    if (words.length !== SIZE || !Number.isInteger(used) || used < 0 || used > SIZE) {
      throw new RangeError(
        `A random state has ${SIZE} words, of which 0 to ${SIZE} are used, not ${words.length} and ${used}`,
      );
    }
    this.#state.set(words);
    this.#next = used;
  }

  /** 32 random bits. */
  next(): number {
    if (this.#next === SIZE) this.#twist();
    let y = this.#state[this.#next++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    y ^= y >>> 18;
    return y >>> 0;
  }

  #twist(): void {
    const state = this.#state;
    for (let i = 0; i < SIZE; i++) {
      const y = (state[i]! & 0x80000000) | (state[(i + 1) % SIZE]! & 0x7fffffff);
      state[i] = state[(i + SHIFT) % SIZE]! ^ (y >>> 1) ^ ((y & 1) === 0 ? 0 : 0x9908b0df);
    }
    this.#next = 0;
  }
}
