import { mkdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ModelError } from '../../workers/render/onnx/errors.ts';
import { openSafetensors, readTensor } from '../../workers/render/onnx/safetensors.ts';
import { MAX_HEADER_BYTES, parseHeader } from '../../workers/render/onnx/safetensors-header.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const PAIR = { a: entry('F32', [2], [0, 8]), b: entry('F16', [2, 2], [8, 16]) };

function entry(dtype: string, shape: unknown, data_offsets: unknown): unknown {
  return { dtype, shape, data_offsets };
}

function encode(header: unknown, data: Uint8Array = new Uint8Array()): Buffer {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([prefix, json, data]);
}

async function fileOf(bytes: Uint8Array): Promise<string> {
  const path = join(await temporaryFolder(), 'model.safetensors');
  await writeFile(path, bytes);
  return path;
}

describe('a sound file', () => {
  const data = Buffer.alloc(16);
  data.writeFloatLE(1.5, 0);
  data.writeFloatLE(-2, 4);
  for (const [i, half] of [0x3c00, 0xc000, 0x0001, 0x7c00].entries()) data.writeUInt16LE(half, 8 + 2 * i);

  test('has its tensors at their absolute place, whatever the length of its header', async () => {
    for (const padding of ['', ' ', '  ', '   ']) {
      const header = JSON.stringify({ __metadata__: { format: 'pt' }, ...PAIR }) + padding;
      const file = await openSafetensors(await fileOf(encode(header, data)));
      expect([...file.tensors.keys()]).toEqual(['a', 'b']);
      expect(file.tensors.get('b')).toEqual({
        name: 'b',
        dtype: 'F16',
        shape: [2, 2],
        offset: 8 + header.length + 8,
        length: 8,
      });
      expect([...(await readTensor(file, 'a'))]).toEqual([1.5, -2]);
      expect([...(await readTensor(file, 'b'))]).toEqual([1, -2, 2 ** -24, Infinity]);
    }
  });

  test('may list its tensors in any order, empty ones and scalars among them', () => {
    const header = {
      z: entry('F32', [], [8, 12]),
      none: entry('F32', [0, 4], [8, 8]),
      a: entry('I64', [1], [0, 8]),
    };
    expect([...parseHeader(Buffer.from(JSON.stringify(header)), 12, 'x').keys()]).toEqual(['z', 'none', 'a']);
  });

  test('may have any name for a tensor, even one that objects inherit', () => {
    const tensors = parseHeader(
      Buffer.from(
        '{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}, "toString":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}',
      ),
      2,
      'x',
    );
    expect([...tensors.keys()]).toEqual(['__proto__', 'toString']);
  });

  test('is known by its real path behind the symlinks of a download cache', async () => {
    const cache = await temporaryFolder();
    await mkdir(join(cache, 'blobs'));
    await mkdir(join(cache, 'snapshots'));
    await writeFile(join(cache, 'blobs', 'abc'), encode(PAIR, data));
    await symlink('../blobs/abc', join(cache, 'snapshots', 'model.safetensors'));
    const file = await openSafetensors(join(cache, 'snapshots', 'model.safetensors'));
    expect(file.path).toMatch(/blobs\/abc$/);
  });

  test('gives no tensor that it lacks, and none of a type that is not read', async () => {
    const file = await openSafetensors(await fileOf(encode({ i: entry('I64', [2], [0, 16]) }, data)));
    await expect(readTensor(file, 'a')).rejects.toThrow(/has no tensor "a"/);
    await expect(readTensor(file, 'i')).rejects.toThrow(/tensor "i" is I64; only F32 and F16/);
  });
});

describe('a header that lies is refused with the tensor, the value and the limit', () => {
  const one = (fields: object): unknown => ({
    a: { dtype: 'F32', shape: [2], data_offsets: [0, 8], ...fields },
  });
  const wrong: readonly (readonly [string, unknown, RegExp])[] = [
    ['text that is not JSON', '{"a":', /header \(5 bytes\) is not JSON/],
    ['a list for an object', [], /must be a JSON object/],
    ['null for an object', null, /must be a JSON object/],
    ['metadata that are no strings', { __metadata__: { n: 1 } }, /__metadata__ must map strings to strings/],
    ['a tensor that is a number', { a: 1 }, /tensor "a": must be an object, is 1/],
    ['an unknown dtype', one({ dtype: 'F31' }), /tensor "a": dtype "F31" is not one of BOOL/],
    ['a dtype that objects inherit', one({ dtype: 'toString' }), /dtype "toString" is not one of/],
    ['no dtype', one({ dtype: undefined }), /dtype undefined/],
    ['a negative size', one({ shape: [-2] }), /shape \[-2\] is not a list of sizes/],
    ['a fractional size', one({ shape: [0.5] }), /shape \[0.5\]/],
    ['a shape that is no list', one({ shape: 2 }), /shape 2 is not/],
    ['one offset', one({ data_offsets: [0] }), /data_offsets \[0\] is not \[begin, end\]/],
    ['three offsets', one({ data_offsets: [0, 4, 8] }), /data_offsets \[0,4,8\]/],
    ['an offset beyond 2^53', one({ data_offsets: [0, 2 ** 60] }), /data_offsets \[0,1152921504606847000\]/],
    ['offsets in the wrong order', one({ data_offsets: [8, 0] }), /8\.\.0 leave the data, which has 8 bytes/],
    [
      'an end beyond the file',
      one({ data_offsets: [0, 12], shape: [3] }),
      /0\.\.12 leave the data, which has 8 bytes/,
    ],
    ['too few bytes for its shape', one({ shape: [3] }), /F32 \[3\] takes 12 bytes, data_offsets span 8/],
    [
      'a shape whose size overflows',
      one({ shape: [2 ** 50, 2 ** 50] }),
      /takes .* bytes, data_offsets span 8/,
    ],
    ['a hole', { a: entry('U8', [2], [0, 2]), b: entry('U8', [5], [3, 8]) }, /"b" leaves a hole before it/],
    [
      'an overlap',
      { a: entry('U8', [5], [0, 5]), b: entry('U8', [4], [4, 8]) },
      /"b" overlaps the tensor before it/,
    ],
    ['bytes of no tensor', { a: entry('U8', [5], [0, 5]) }, /the last 3 bytes belong to no tensor/],
    [
      'a name listed twice',
      '{"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"\\u0061":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}}',
      /tensor "a" is listed twice/,
    ],
  ];

  test.each(wrong)('%s', async (_, header, message) => {
    const path = await fileOf(encode(header, new Uint8Array(8)));
    const refusal = openSafetensors(path);
    await expect(refusal).rejects.toThrow(message);
    await expect(refusal).rejects.toThrow(path);
    await expect(refusal).rejects.toBeInstanceOf(ModelError);
  });

  test('bytes that are not UTF-8', async () => {
    const bytes = encode('{"a":1}', new Uint8Array(8));
    bytes[10] = 0xff;
    await expect(openSafetensors(await fileOf(bytes))).rejects.toThrow(/not JSON in UTF-8/);
  });
});

describe('a file that is no safetensors file is refused', () => {
  test('when it does not exist', async () => {
    await expect(openSafetensors('/nowhere/model.safetensors')).rejects.toThrow(
      '/nowhere/model.safetensors: cannot be opened',
    );
  });

  test('when it is a folder', async () => {
    await expect(openSafetensors(await temporaryFolder())).rejects.toThrow(/not a regular file/);
  });

  test('when it is empty', async () => {
    await expect(openSafetensors(await fileOf(new Uint8Array()))).rejects.toThrow(/has 0 bytes, too few/);
  });

  test('when its header would be longer than the format allows', async () => {
    const prefix = Buffer.alloc(16);
    prefix.writeBigUInt64LE(2n ** 63n);
    await expect(openSafetensors(await fileOf(prefix))).rejects.toThrow(
      new RegExp(`header of 9223372036854775808 bytes, the limit is ${MAX_HEADER_BYTES}`),
    );
  });

  test('when it was cut off, in the header or in the data', async () => {
    const whole = encode(PAIR, new Uint8Array(16));
    const path = await fileOf(whole);
    await truncate(path, whole.length - 3);
    await expect(openSafetensors(path)).rejects.toThrow(/leave the data, which has 13 bytes/);
    await truncate(path, 20);
    await expect(openSafetensors(path)).rejects.toThrow(/has 20 in all: the file is truncated/);
  });

  test('when it is the pointer that Git LFS leaves in its place', async () => {
    const pointer = Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n');
    await expect(openSafetensors(await fileOf(pointer))).rejects.toThrow(/Git LFS pointer.*git lfs pull/);
  });
});
