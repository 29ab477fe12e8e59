/** `torch-cpu-randn.json`: seeds, shapes, and digests of what torch draws, twice in a row. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { TorchRandom } from '../../../workers/render/diffusion/torch-random.ts';
import { maxAbsError, readJson } from '../files.ts';
import type { Kind } from '../golden-case.ts';
import { list, number, numbers, record, text, type Json } from '../json.ts';

const FILE = 'torch-cpu-randn.json';

export const randn: Kind = {
  matches: (entry) => entry === FILE,
  async cases(root) {
    const vectors = list(await readJson(join(root.dir, FILE))).map(record);
    return vectors.map((vector) => ({
      name: `torch-cpu-randn/${number(vector['seed'])}-${numbers(vector['shape']).join('x')}`,
      tolerance: 0,
      measure: () => Promise.resolve({ error: measure(vector) }),
    }));
  },
};

function measure(vector: Json): number {
  const random = new TorchRandom(number(vector['seed']));
  const count = numbers(vector['shape']).reduce((product, side) => product * side, 1);
  const values = random.randn(count);
  const first = numbers(vector['first']);
  const last = numbers(vector['last']);
  const error = Math.max(
    maxAbsError(values.subarray(0, first.length), first),
    maxAbsError(values.subarray(count - last.length), last),
  );
  if (error > 0) return error;
  expectDigest(values, text(vector['sha256']), 'first');
  expectDigest(random.randn(count), text(vector['second_draw_sha256']), 'second');
  return 0;
}

function expectDigest(values: Float32Array, digest: string, draw: string): void {
  const actual = createHash('sha256').update(new Uint8Array(values.buffer)).digest('hex');
  if (actual !== digest) throw new Error(`the ${draw} draw has the digest ${actual}, not ${digest}`);
}
