/** Reading and comparing reference files. */
import { open, readFile, readdir, stat } from 'node:fs/promises';
import type { SafetensorsFile } from '../../workers/render/onnx/safetensors.ts';

export async function readJson(path: string): Promise<unknown> {
  const value: unknown = JSON.parse(await readFile(path, 'utf8'));
  return value;
}

export function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Names in a folder, sorted; none when there is no such folder. */
export async function entriesOf(dir: string): Promise<readonly string[]> {
  return (await exists(dir)) ? (await readdir(dir)).toSorted() : [];
}

export async function firstExisting(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) if (await exists(path)) return path;
  return undefined;
}

/** Token ids and class labels; all of them small. */
export async function readInt64(
  file: SafetensorsFile,
  name: string,
): Promise<{ dims: readonly number[]; data: BigInt64Array }> {
  const entry = file.tensors.get(name);
  if (entry === undefined || entry.dtype !== 'I64')
    throw new Error(`${file.path} has no I64 tensor "${name}"`);
  const bytes = new Uint8Array(entry.length);
  const handle = await open(file.path);
  try {
    await handle.read(bytes, 0, entry.length, entry.offset);
  } finally {
    await handle.close();
  }
  return { dims: entry.shape, data: new BigInt64Array(bytes.buffer) };
}

/** Throws when the lengths differ; NaN when a value is. */
export function maxAbsError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) {
    throw new Error(`there are ${actual.length} values, but ${expected.length} were expected`);
  }
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i]! - expected[i]!);
    if (!(error <= worst)) worst = error;
    if (Number.isNaN(worst)) return worst;
  }
  return worst;
}
