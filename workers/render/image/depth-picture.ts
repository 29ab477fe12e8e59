/** Depth as a picture: what a depth job gives back, and what may be sent again as its `depth_map`. */
import type { DeepGreyImage, DepthValues, Size } from './raw-image.ts';

const WHITE = 65_535;

/**
 * The estimator's map at the size of the image, so that it lies pixel on pixel over it; the nearest point is white and
 * the farthest black, as the model is shown them. A map of one depth only is black.
 */
export function depthPicture(depth: DepthValues, size: Size): DeepGreyImage {
  const { values } = resizeDepth(depth, size);
  const [low, high] = rangeOf(values);
  const scale = high > low ? WHITE / (high - low) : 0;
  const grey16 = new Uint16Array(values.length);
  for (let i = 0; i < grey16.length; i++) grey16[i] = Math.round((values[i]! - low) * scale);
  return { width: size.width, height: size.height, grey16 };
}

function rangeOf(values: Float32Array): [low: number, high: number] {
  let [low, high] = [Infinity, -Infinity];
  for (let i = 0; i < values.length; i++) {
    low = Math.min(low, values[i]!);
    high = Math.max(high, values[i]!);
  }
  return [low, high];
}

/**
 * torch's bicubic interpolation, with corners not aligned and without antialiasing: what depth-guided models were
 * trained with. Not Pillow's: a = -0.75, always four taps, and taps outside repeat the edge.
 */
export function resizeDepth(depth: DepthValues, { width, height }: Size): DepthValues {
  const across = cubicTaps(depth.width, width);
  const down = cubicTaps(depth.height, height);
  const narrowed = new Float64Array(width * depth.height);
  for (let y = 0; y < depth.height; y++) {
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let k = 4 * x; k < 4 * x + 4; k++) {
        sum += across.weights[k]! * depth.values[depth.width * y + across.positions[k]!]!;
      }
      narrowed[width * y + x] = sum;
    }
  }
  const values = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    const [a, b, c, d] = down.weights.subarray(4 * y, 4 * y + 4);
    const [above, here, below, last] = down.positions.subarray(4 * y, 4 * y + 4);
    for (let x = 0; x < width; x++) {
      values[width * y + x] =
        a! * narrowed[width * above! + x]! +
        b! * narrowed[width * here! + x]! +
        c! * narrowed[width * below! + x]! +
        d! * narrowed[width * last! + x]!;
    }
  }
  return { width, height, values };
}

/** `[output, 4]` each. */
function cubicTaps(input: number, output: number): { positions: Int32Array; weights: Float64Array } {
  const positions = new Int32Array(4 * output);
  const weights = new Float64Array(4 * output);
  for (let i = 0; i < output; i++) {
    const centre = ((i + 0.5) * input) / output - 0.5;
    const base = Math.floor(centre);
    for (let tap = 0; tap < 4; tap++) {
      const at = base - 1 + tap;
      positions[4 * i + tap] = Math.min(Math.max(at, 0), input - 1);
      weights[4 * i + tap] = cubic(Math.abs(centre - at));
    }
  }
  return { positions, weights };
}

/** Keys' cubic with a = -0.75, over a distance of 0..2. */
function cubic(x: number): number {
  const a = -0.75;
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
}
