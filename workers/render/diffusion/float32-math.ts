/**
 * The float32 logarithm, sine and cosine of PyTorch's AVX2 kernels, bit for bit: the Cephes polynomials (Moshier),
 * evaluated with a fused multiply-add exactly where that build contracts one. `f` marks each rounding to float32.
 */
const f = Math.fround;

const LOG_POLYNOMIAL = [
  7.0376836292e-2, -1.151461031e-1, 1.167699874e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
  2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
].map(f);
/** ln 2 in two parts; the larger is exact in float32. */
const LN2_LOW = f(-2.1219444e-4);
const LN2_HIGH = f(0.693359375);
const SQRT_HALF = f(Math.SQRT1_2);
const SMALLEST_NORMAL = 2 ** -126;

const FOUR_OVER_PI = f(1.27323954473516);
/** Pi / 4 in three parts (Cody & Waite), negated. */
const PI_QUARTER_PARTS = [-0.78515625, -2.4187564849853515625e-4, -3.774894977445941e-8].map(f);
const COS_POLYNOMIAL = [2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2].map(f);
const SIN_POLYNOMIAL = [-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1].map(f);

export class Float32Math {
  // One number seen as bits, the low word first: every platform of onnxruntime is little-endian.
  readonly #float64 = new Float64Array(1);
  readonly #words = new Uint32Array(this.#float64.buffer);
  readonly #float32 = new Float32Array(1);
  readonly #bits = new Uint32Array(this.#float32.buffer);

  /**
   * a * b + c with one rounding, for float32 arguments. The product of two 24-bit significands is exact in a double;
   * the sum is rounded to odd, which keeps the second rounding, to float32, correct (Boldo & Melquiond 2008).
   */
  fma(a: number, b: number, c: number): number {
    const product = a * b;
    const sum = product + c;
    const virtual = sum - product;
    const error = product - (sum - virtual) + (c - virtual);
    return f(error === 0 ? sum : this.#towardsOdd(sum, error));
  }

  /** Natural logarithm of x > 0. */
  log(x: number): number {
    this.#float32[0] = Math.max(x, SMALLEST_NORMAL);
    const bits = this.#bits[0]!;
    this.#bits[0] = (bits & 0x007fffff) | 0x3f000000;
    let mantissa = this.#float32[0];
    let exponent = (bits >>> 23) - 126;
    let rest = 0;
    if (mantissa < SQRT_HALF) {
      rest = mantissa;
      exponent -= 1;
    }
    mantissa = f(f(mantissa - 1) + rest);

    const square = f(mantissa * mantissa);
    let y = LOG_POLYNOMIAL[0]!;
    for (let i = 1; i < LOG_POLYNOMIAL.length; i++) y = this.fma(y, mantissa, LOG_POLYNOMIAL[i]!);
    y = f(y * mantissa);
    y = this.fma(y, square, f(exponent * LN2_LOW));
    y = f(y - f(0.5 * square));
    return this.fma(exponent, LN2_HIGH, f(mantissa + y));
  }

  /** Sine and cosine of an angle >= 0 that is small enough for the octant to fit an integer. */
  sinCos(angle: number): { sin: number; cos: number } {
    const octant = (Math.trunc(f(angle * FOUR_OVER_PI)) + 1) & ~1;
    let x = angle;
    for (const part of PI_QUARTER_PARTS) x = this.fma(octant, part, x);
    const square = f(x * x);

    let c = this.fma(COS_POLYNOMIAL[0]!, square, COS_POLYNOMIAL[1]!);
    c = this.fma(c, square, COS_POLYNOMIAL[2]!);
    c = f(c * square);
    c = this.fma(c, square, -f(0.5 * square));
    c = f(c + 1);

    let s = this.fma(SIN_POLYNOMIAL[0]!, square, SIN_POLYNOMIAL[1]!);
    s = this.fma(s, square, SIN_POLYNOMIAL[2]!);
    s = f(s * square);
    s = this.fma(s, x, x);

    const swap = (octant & 2) !== 0;
    const sinSign = (octant & 4) === 0 ? 1 : -1;
    const cosSign = ((octant - 2) & 4) === 0 ? -1 : 1;
    return { sin: sinSign * (swap ? c : s), cos: cosSign * (swap ? s : c) };
  }

  /** `sum` is the nearest double; when its last bit is even, the neighbour on the side of the error is odd. */
  #towardsOdd(sum: number, error: number): number {
    this.#float64[0] = sum;
    const low = this.#words[0]!;
    if ((low & 1) === 1) return sum;
    if (error > 0 === sum > 0) {
      this.#words[0] = low + 1;
    } else {
      // The low word wraps from 0 to its maximum: only then is there a borrow from the high one.
      this.#words[0] = low - 1;
      if (low === 0) this.#words[1]! -= 1;
    }
    return this.#float64[0];
  }
}
