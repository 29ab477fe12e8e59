/**
 * `torch.randn` on the CPU, bit for bit (PyTorch's build for x86-64 with AVX2 or AVX-512): the same seed gives the
 * noise, and so the image, that it gives in diffusers with `torch.Generator("cpu")`.
 */
import { Float32Math } from './float32-math.ts';
import { MersenneTwister, type TwisterState } from './mersenne-twister.ts';

/** Arrays of at least this many values are made in blocks of this many. */
const BLOCK = 16;
const HALF_BLOCK = BLOCK / 2;
const TWO_PI = Math.fround(2 * Math.PI);

export interface RandomState extends TwisterState {
  /** The second value of a pair, when the first was drawn alone. */
  readonly pending: number | null;
}

/** One generator. Its state moves on with every draw, so the order of draws is part of the result. */
export class TorchRandom {
  readonly #bits: MersenneTwister;
  readonly #math = new Float32Math();
  /** The second value of a pair whose first was drawn for a short array. */
  #pending: number | null = null;

  /** `seed`: a whole number from 0 to 2^53 - 1; torch keeps its low 32 bits. Throws on any other number. */
  constructor(seed: number) {
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw new RangeError(
        `The seed is ${seed}, but must be a whole number from 0 to ${Number.MAX_SAFE_INTEGER}`,
      );
    }
    this.#bits = new MersenneTwister(seed);
  }

  get state(): RandomState {
    return { ...this.#bits.state, pending: this.#pending };
  }

  /** What follows is what followed there. Throws a RangeError when no generator can have been in that state. */
  set state(state: RandomState) {
    this.#bits.state = state;
    this.#pending = state.pending;
  }

  /** `count` values from N(0, 1), as a contiguous tensor of that many elements gets them. */
  randn(count: number): Float32Array {
    return count < BLOCK ? Float32Array.from({ length: count }, () => this.#normal()) : this.#blocks(count);
  }

  /**
   * All uniforms come first, then each block is transformed in place. A last, incomplete block is made by drawing
   * again for the final 16 places. The pending value of short draws is neither used nor dropped.
   */
  #blocks(count: number): Float32Array {
    const values = new Float32Array(count);
    this.#fillUniform(values);
    for (let start = 0; start + BLOCK <= count; start += BLOCK) this.#boxMuller(values, start);
    if (count % BLOCK !== 0) {
      const start = count - BLOCK;
      this.#fillUniform(values.subarray(start));
      this.#boxMuller(values, start);
    }
    return values;
  }

  #fillUniform(values: Float32Array): void {
    for (let i = 0; i < values.length; i++) values[i] = (this.#bits.next() & 0xffffff) * 2 ** -24;
  }

  /** Values j and j + 8 of a block make one pair (Box & Muller 1958), in float32. */
  #boxMuller(values: Float32Array, start: number): void {
    for (let j = start; j < start + HALF_BLOCK; j++) {
      const uniform = Math.fround(1 - values[j]!);
      const radius = Math.fround(Math.sqrt(Math.fround(-2 * this.#math.log(uniform))));
      const { sin, cos } = this.#math.sinCos(Math.fround(TWO_PI * values[j + HALF_BLOCK]!));
      // Adding 0 turns -0 into +0, as the kernel's "times deviation, plus mean" does.
      values[j] = radius * cos + 0;
      values[j + HALF_BLOCK] = radius * sin + 0;
    }
  }

  /** One value in double precision; every second one was made along with its predecessor. */
  #normal(): number {
    if (this.#pending !== null) {
      const value = this.#pending;
      this.#pending = null;
      return value;
    }
    const angle = 2 * Math.PI * this.#uniform53();
    const radius = Math.sqrt(-2 * Math.log1p(-this.#uniform53()));
    this.#pending = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** The low 53 of 64 random bits, in 0..1. */
  #uniform53(): number {
    const high = this.#bits.next() & 0x1fffff;
    return (high * 2 ** 32 + this.#bits.next()) * 2 ** -53;
  }
}
