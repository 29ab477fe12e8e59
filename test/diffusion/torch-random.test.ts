import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { TorchRandom } from '../../workers/render/diffusion/torch-random.ts';
import vectors from '../fixtures/golden/torch-cpu-randn.json' with { type: 'json' };

const sha256 = (values: Float32Array): string =>
  createHash('sha256')
    .update(Buffer.from(values.buffer, values.byteOffset, values.byteLength))
    .digest('hex');

describe('TorchRandom', () => {
  it.each(vectors)('draws what torch draws for seed $seed and shape $shape, twice in a row', (vector) => {
    const random = new TorchRandom(vector.seed);
    const count = vector.shape.reduce((product, side) => product * side, 1);
    const first = random.randn(count);
    expect([...first.subarray(0, vector.first.length)]).toEqual(vector.first);
    expect(sha256(first)).toBe(vector.sha256);
    expect(sha256(random.randn(count))).toBe(vector.second_draw_sha256);
  });

  it('takes the seed modulo 2^32', () => {
    expect(new TorchRandom(2 ** 32 + 5).randn(64)).toEqual(new TorchRandom(5).randn(64));
  });

  it('goes on with the same generator when an image is drawn before the latents', () => {
    const random = new TorchRandom(42);
    expect(sha256(random.randn(3 * 128 * 128))).toBe(
      '1c13c2b01f5d89cb9d63376f3c457210250b5b700d6fc43f2f54454ae32cb744',
    );
    expect(sha256(random.randn(4 * 128 * 128))).toBe(
      '20302848357910a8fd738df3c84a2512f0b8bb7f7b572397ce778ae167e4da0a',
    );
  });

  it('keeps the pending half of a pair of a short draw across a long one', () => {
    const [first, second] = new TorchRandom(7).randn(2);
    const random = new TorchRandom(7);
    expect(random.randn(1)[0]).toBe(first);
    random.randn(32);
    expect(random.randn(1)[0]).toBe(second);
  });

  it.each([-1, 0.5, 2 ** 53, Number.NaN])('refuses %d as a seed', (seed) => {
    expect(() => new TorchRandom(seed)).toThrow(/seed/);
  });
});
