/**
 * The weights of Pillow's antialiased resize, to the last bit: published models were trained and are judged on images
 * resized by Pillow, and a fixed seed should give the image that it gives elsewhere. The filter is stretched by the
 * shrink factor, so shrinking averages instead of skipping pixels.
 */
export type ResizeFilter = 'nearest' | 'bilinear' | 'bicubic' | 'lanczos';

/** Weights are integers of this many fractional bits: 8 bits of pixel and 2 of headroom fill the other 10 of 32. */
export const WEIGHT_BITS = 22;

/** For each output position, the run of input positions it reads and their weights. */
export interface Taps {
  /** `[outputs]`, the first input position of each. */
  readonly first: Int32Array;
  /** `[outputs]`, how many input positions each reads. */
  readonly count: Int32Array;
  /** `[outputs, stride]`, only the first `count` of each row are meant. */
  readonly weights: Int32Array;
  readonly stride: number;
}

interface Kernel {
  /** The kernel is zero beyond this distance, in input pixels when not shrinking. */
  readonly support: number;
  readonly at: (distance: number) => number;
}

type Averaging = Exclude<ResizeFilter, 'nearest'>;

const KERNELS: Readonly<Record<Averaging, Kernel>> = {
  bilinear: { support: 1, at: (x) => Math.max(1 - Math.abs(x), 0) },
  bicubic: { support: 2, at: cubic },
  lanczos: { support: 3, at: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** Keys' cubic with a = -0.5 (Pillow's choice; OpenCV and torch take -0.75). */
function cubic(distance: number): number {
  const a = -0.5;
  const x = Math.abs(distance);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

function sinc(x: number): number {
  if (x === 0) return 1;
  const angle = x * Math.PI;
  return Math.sin(angle) / angle;
}

/** Both sizes are at least 1. */
export function resampleTaps(input: number, output: number, filter: ResizeFilter): Taps {
  if (filter === 'nearest') return nearestTaps(input, output);
  const kernel = KERNELS[filter];
  const scale = input / output;
  const stretch = Math.max(scale, 1);
  const support = kernel.support * stretch;
  const stride = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(output);
  const count = new Int32Array(output);
  const weights = new Int32Array(output * stride);
  const shares = new Float64Array(stride);
  // A product with the reciprocal, as Pillow has it: a division rounds differently now and then.
  const shrink = 1 / stretch;
  for (let i = 0; i < output; i++) {
    const centre = (i + 0.5) * scale;
    const from = Math.max(Math.trunc(centre - support + 0.5), 0);
    const taps = Math.min(Math.trunc(centre + support + 0.5), input) - from;
    let total = 0;
    for (let k = 0; k < taps; k++) {
      const share = kernel.at((k + from - centre + 0.5) * shrink);
      shares[k] = share;
      total += share;
    }
    for (let k = 0; k < taps; k++) weights[i * stride + k] = fixedPoint(total === 0 ? 0 : shares[k]! / total);
    first[i] = from;
    count[i] = taps;
  }
  return { first, count, weights, stride };
}

/** The one pixel under the centre of each output pixel, at full weight: nothing is averaged, even when shrinking. */
function nearestTaps(input: number, output: number): Taps {
  const first = Int32Array.from({ length: output }, (_, i) => Math.floor(((i + 0.5) * input) / output));
  const ones = new Int32Array(output).fill(1);
  return { first, count: ones, weights: ones.map(() => 2 ** WEIGHT_BITS), stride: 1 };
}

/** Rounded half away from zero. */
function fixedPoint(weight: number): number {
  return Math.trunc(weight * 2 ** WEIGHT_BITS + (weight < 0 ? -0.5 : 0.5));
}
