/** Reading safetensors files: the header for sessions (which map the data themselves), single tensors for tests. */
import { open, realpath } from 'node:fs/promises';
import type { BigIntStats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { ModelError } from './errors.ts';
import { halfToFloat } from './half.ts';
import { LENGTH_PREFIX_BYTES, MAX_HEADER_BYTES, parseHeader } from './safetensors-header.ts';
import type { TensorEntry } from './safetensors-header.ts';

export interface SafetensorsFile {
  /** Free of symlinks: the hub's cache links into a blob folder, and ONNX Runtime refuses paths that leave theirs. */
  readonly path: string;
  readonly bytes: number;
  /** Of the file behind the path: changes when it is replaced or written to. */
  readonly identity: string;
  readonly tensors: ReadonlyMap<string, TensorEntry>;
}

/**
 * Reads and checks the header; the data stay on disk.
 * The file must not be written in place afterwards: a truncated memory map kills the process.
 * @throws ModelError naming the file and what is wrong with it
 */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  let real: string;
  let handle: FileHandle;
  try {
    real = await realpath(path);
    handle = await open(real);
  } catch (cause) {
    throw new ModelError(`${path}: cannot be opened`, { cause });
  }
  try {
    return await readHeader(handle, real);
  } finally {
    await handle.close();
  }
}

async function readHeader(handle: FileHandle, path: string): Promise<SafetensorsFile> {
  const stat = await handle.stat({ bigint: true });
  if (!stat.isFile()) throw new ModelError(`${path}: is not a regular file`);
  const bytes = Number(stat.size);
  if (bytes < LENGTH_PREFIX_BYTES)
    throw new ModelError(`${path}: has ${bytes} bytes, too few for a safetensors file`);
  const prefix = await readExactly(handle, { offset: 0, length: LENGTH_PREFIX_BYTES });
  if (prefix.toString('latin1') === 'version ')
    throw new ModelError(
      `${path}: is a Git LFS pointer, not the file itself: run "git lfs pull" in its repository`,
    );
  const headerBytes = prefix.readBigUInt64LE();
  if (headerBytes > MAX_HEADER_BYTES)
    throw new ModelError(
      `${path}: claims a header of ${headerBytes} bytes, the limit is ${MAX_HEADER_BYTES} (not a safetensors file?)`,
    );
  const length = Number(headerBytes);
  const dataBytes = bytes - LENGTH_PREFIX_BYTES - length;
  if (dataBytes < 0)
    throw new ModelError(
      `${path}: claims a header of ${length} bytes but has ${bytes} in all: the file is truncated`,
    );
  const json = await readExactly(handle, { offset: LENGTH_PREFIX_BYTES, length });
  return { path, bytes, identity: identityOf(stat), tensors: parseHeader(json, dataBytes, path) };
}

/** Device and inode tell files apart, size and times their states. */
export function identityOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(':');
}

/** The tensor's values as float32, row-major. F32 and F16 only. */
export async function readTensor(file: SafetensorsFile, name: string): Promise<Float32Array> {
  const entry = file.tensors.get(name);
  if (entry === undefined) throw new ModelError(`${file.path}: has no tensor "${name}"`);
  if (entry.dtype !== 'F32' && entry.dtype !== 'F16')
    throw new ModelError(`${file.path}: tensor "${name}" is ${entry.dtype}; only F32 and F16 are read`);
  const raw = await readBytes(file.path, entry);
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  if (entry.dtype === 'F32')
    return Float32Array.from({ length: entry.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
  return Float32Array.from({ length: entry.length / 2 }, (_, i) => halfToFloat(view.getUint16(2 * i, true)));
}

interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

async function readBytes(path: string, range: ByteRange): Promise<Buffer> {
  const handle = await open(path);
  try {
    return await readExactly(handle, range);
  } finally {
    await handle.close();
  }
}

async function readExactly(handle: FileHandle, { offset, length }: ByteRange): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  const { bytesRead } = await handle.read(buffer, 0, length, offset);
  if (bytesRead !== length)
    throw new ModelError(`the file ended at byte ${offset + bytesRead}, ${length - bytesRead} bytes short`);
  return buffer;
}
