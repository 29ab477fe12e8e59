/**
 * Random checkpoints for tests and benches, from the same walk that reads real ones: any config, any size,
 * written as fast as the disk takes it. Weights ~ N(0, 0.02) unless told otherwise, norms are the identity, biases 0, so a network of
 * any depth stays finite.
 */
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { Parameter } from './graph.ts';
import { floatToHalf } from './half.ts';
import { LENGTH_PREFIX_BYTES } from './safetensors-header.ts';

const DEVIATION = 0.02;
/** Values are slices of one pool. Its size is prime, so tensors of round sizes do not repeat each other. */
const POOL_VALUES = 65_521;

export interface RandomWeightsOptions {
  readonly seed: number;
  readonly dtype: 'F32' | 'F16';
  /** Standard deviation of the weights; 0.02 keeps wide networks calm, narrow ones need more to show their input. */
  readonly deviation?: number;
}

/** Writes a safetensors file with all `parameters`. The same options give the same bytes. */
export async function writeRandomWeights(
  path: string,
  parameters: readonly Parameter[],
  options: RandomWeightsOptions,
): Promise<void> {
  const handle = await open(path, 'w');
  try {
    await handle.write(encodeHeader(parameters, options.dtype));
    const pool = encode(normalPool(options), options.dtype);
    let position = 0;
    for (const { init, dims } of parameters) {
      const count = countOf(dims);
      if (init === 'normal') await writeFromPool(handle, pool, { count, start: position });
      else await handle.write(encode(new Float64Array(count).fill(init === 'one' ? 1 : 0), options.dtype));
      position += count;
    }
  } finally {
    await handle.close();
  }
}

function encodeHeader(parameters: readonly Parameter[], dtype: RandomWeightsOptions['dtype']): Buffer {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  let begin = 0;
  for (const { name, storedShape } of parameters) {
    const end = begin + countOf(storedShape) * (dtype === 'F32' ? 4 : 2);
    header[name] = { dtype, shape: storedShape, data_offsets: [begin, end] };
    begin = end;
  }
  const json = Buffer.from(JSON.stringify(header));
  const prefix = Buffer.alloc(LENGTH_PREFIX_BYTES);
  prefix.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([prefix, json]);
}

interface PoolSlice {
  readonly count: number;
  /** Any number: taken modulo the pool's size. */
  readonly start: number;
}

async function writeFromPool(handle: FileHandle, pool: ArrayBufferView, slice: PoolSlice): Promise<void> {
  const bytesPerValue = pool.byteLength / POOL_VALUES;
  const bytes = new Uint8Array(pool.buffer, pool.byteOffset, pool.byteLength);
  let from = slice.start % POOL_VALUES;
  for (let left = slice.count; left > 0; from = 0) {
    const values = Math.min(left, POOL_VALUES - from);
    await handle.write(bytes, from * bytesPerValue, values * bytesPerValue);
    left -= values;
  }
}

function encode(values: Float64Array, dtype: RandomWeightsOptions['dtype']): Float32Array | Uint16Array {
  return dtype === 'F32' ? Float32Array.from(values) : Uint16Array.from(values, floatToHalf);
}

/** Box and Muller 1958, on a 32-bit xorshift (Marsaglia 2003). */
function normalPool({ seed, deviation = DEVIATION }: RandomWeightsOptions): Float64Array {
  let state = (seed ^ 0x9e37_79b9) >>> 0 || 1;
  const uniform = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return ((state >>> 0) + 0.5) / 2 ** 32;
  };
  return Float64Array.from({ length: POOL_VALUES }, () => {
    const radius = Math.sqrt(-2 * Math.log(uniform()));
    return deviation * radius * Math.cos(2 * Math.PI * uniform());
  });
}

function countOf(dims: readonly number[]): number {
  return dims.reduce((product, size) => product * size, 1);
}
