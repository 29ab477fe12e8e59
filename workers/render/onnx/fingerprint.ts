/**
 * What a model's weights are known by: text rows are cached and components shared under this digest.
 *
 * Hashing whole files would take seconds per model, more than loading it. Instead the digest covers the layout of
 * the file (every tensor's name, type, shape and place) and the first and last 4 KiB of every tensor. Training,
 * merging and rounding touch whole tensors, so checkpoints that differ at all differ there. It is an identity
 * for files of good faith, not a protection against a forger.
 */
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import type { SafetensorsFile } from './safetensors.ts';

const SAMPLE_BYTES = 4096;

/** Hex, 64 characters; equal for equal files wherever they lie. */
export async function fingerprintWeights(file: SafetensorsFile): Promise<string> {
  const hash = createHash('sha256').update(String(file.bytes));
  const buffer = Buffer.alloc(2 * SAMPLE_BYTES);
  const handle = await open(file.path);
  try {
    for (const tensor of [...file.tensors.values()].toSorted((a, b) => a.offset - b.offset)) {
      hash.update(JSON.stringify(tensor));
      const end = tensor.offset + tensor.length;
      const samples =
        tensor.length <= buffer.length
          ? [{ position: tensor.offset, length: tensor.length }]
          : [tensor.offset, end - SAMPLE_BYTES].map((position) => ({ position, length: SAMPLE_BYTES }));
      for (const { position, length } of samples) {
        const { bytesRead } = await handle.read(buffer, 0, length, position);
        hash.update(buffer.subarray(0, bytesRead));
      }
    }
  } finally {
    await handle.close();
  }
  return hash.digest('hex');
}

export function digestOf(parts: readonly string[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return hash.digest('hex');
}
