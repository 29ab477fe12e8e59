import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { GraphBuilder, int } from '../../workers/render/onnx/graph.ts';
import { encodeModel } from '../../workers/render/onnx/model-proto.ts';
import { ProtoWriter } from '../../workers/render/onnx/proto-writer.ts';
import { createSession } from '../../workers/render/onnx/session.ts';
import type { SessionOptions } from '../../workers/render/onnx/session.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const CPU: SessionOptions = { device: { kind: 'cpu' }, profile: 'lean', threads: 1 };

/** y = x Wᵀ with `W` at `offset` in the file `weights`. */
function product(offset: number, length = 16): Uint8Array {
  const g = new GraphBuilder('product');
  const x = g.input('x', 'float32', ['n', 2]);
  g.output('y', g.fused('FusedMatMul', [x, g.parameter('W', [2, 2])], { transB: int(1) }), ['n', 2]);
  const dims = [2, 2];
  const initializer = { name: 'W', type: 'float32', dims, location: 'weights', offset, length } as const;
  return encodeModel({ ...g.build(), initializers: [initializer] });
}

async function weightsAt(offset: number): Promise<string> {
  const folder = await temporaryFolder();
  const bytes = Buffer.alloc(offset + 16);
  for (const [i, value] of [1, 2, 3, 4].entries()) bytes.writeFloatLE(value, offset + 4 * i);
  await writeFile(join(folder, 'weights'), bytes);
  return folder;
}

describe('the protobuf writer follows the wire format', () => {
  test('for numbers, texts and messages within messages', () => {
    const writer = new ProtoWriter();
    writer.int(1, 150);
    writer.text(2, 'testing');
    writer.message(3, (inner) => inner.int(1, 150));
    writer.float(4, 1);
    writer.int(16, -1);
    expect(Buffer.from(writer.finish()).toString('hex')).toBe(
      '089601' + '120774657374696e67' + '1a03089601' + '250000803f' + '8001ffffffffffffffffff01',
    );
  });

  test('beyond its first buffer', () => {
    const writer = new ProtoWriter();
    writer.bytes(1, new Uint8Array(300).fill(7));
    writer.bytes(1, new Uint8Array(70_000).fill(8));
    expect(writer.finish()).toHaveLength(3 + 300 + 4 + 70_000);
  });
});

describe('a session', () => {
  test.each([0, 1, 2, 3, 4, 61])('reads weights in place from byte %i of a file', async (offset) => {
    const weightsFolder = await weightsAt(offset);
    const session = await createSession({ name: 'product', bytes: product(offset), weightsFolder }, CPU);
    const y = await session.run({ x: { data: Float32Array.of(1, 10), dims: [1, 2] } });
    expect([...y]).toEqual([21, 43]);
    await session.release();
  });

  test('is refused with its name when the weights are not where the model says', async () => {
    const weightsFolder = await weightsAt(0);
    const create = (bytes: Uint8Array) =>
      createSession({ name: 'some.safetensors', bytes, weightsFolder }, CPU);
    await expect(create(product(8))).rejects.toThrow(/some\.safetensors could not be loaded on the CPU/);
    await expect(create(product(0, 12))).rejects.toThrow(/some\.safetensors could not be loaded/);
    await expect(create(new Uint8Array([1, 2, 3]))).rejects.toThrow(/some\.safetensors could not be loaded/);
  });

  test('rejects inputs of the wrong shape, and works on', async () => {
    const weightsFolder = await weightsAt(0);
    const session = await createSession({ name: 'product', bytes: product(0), weightsFolder }, CPU);
    await expect(session.run({ x: { data: new Float32Array(3), dims: [1, 3] } })).rejects.toThrow(/x/);
    await expect(session.run({ x: { data: Float32Array.of(0, 1), dims: [1, 2] } })).resolves.toHaveLength(2);
    await session.release();
  });
});
