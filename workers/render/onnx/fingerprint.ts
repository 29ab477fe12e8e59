/**
 * What a component's weights are known by.
 *
 * Hashing whole files would take seconds per GB, more than loading them, and a worker looks at all of its folders each
 * minute. So only small files are hashed whole. Of a large one the digest covers the layout (every tensor's name, type,
 * shape and place) and the first and last 4 KiB of every tensor: training, merging and rounding touch whole tensors.
 * That names a version; it is not proof enough to run one model on another's weights, so whoever wants to share large
 * files compares them whole first (`haveSameBytes`). See docs/decisions/0012.
 */
import { createHash } from 'node:crypto';
import { open, readFile, stat } from 'node:fs/promises';
import { identityOf } from './safetensors.ts';
import type { SafetensorsFile } from './safetensors.ts';

const MiB = 1024 * 1024;
const SAMPLE_BYTES = 4096;
/** Hashed in some 30 ms. */
const HASHED_WHOLE_BYTES = 16 * MiB;
const CHUNK_BYTES = 4 * MiB;
/** Far more files than a worker has; beyond it the memory is started anew. */
const REMEMBERED = 4096;

export interface Fingerprint {
  /** Hex, 64 characters; equal for equal files wherever they lie. */
  readonly digest: string;
  /** Files with this digest are equal to the last byte. Otherwise they are so in all likelihood. */
  readonly isExact: boolean;
}

/** By the identity of the file: what is remembered here is true of that state of the file for ever. */
const fingerprints = new Map<string, Fingerprint>();
const comparisons = new Map<string, boolean>();

export async function fingerprintWeights(file: SafetensorsFile): Promise<Fingerprint> {
  const known = fingerprints.get(file.identity);
  if (known !== undefined) return known;
  const isExact = file.bytes <= HASHED_WHOLE_BYTES;
  const digest = isExact ? digestOf([await readFile(file.path)]) : await sample(file);
  return remember(fingerprints, file.identity, { digest, isExact });
}

/**
 * Whether two weight files are equal to the last byte. False, too, when one is no longer the file that was opened:
 * then nobody can tell.
 */
export async function haveSameBytes(a: SafetensorsFile, b: SafetensorsFile): Promise<boolean> {
  if (a.identity === b.identity) return true;
  if (a.bytes !== b.bytes) return false;
  const pair = [a.identity, b.identity].toSorted().join(' ');
  const known = comparisons.get(pair);
  if (known !== undefined) return known;
  if (!(await isUnchanged(a)) || !(await isUnchanged(b))) return false;
  return remember(comparisons, pair, await compare(a, b));
}

export function digestOf(parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return hash.digest('hex');
}

async function sample(file: SafetensorsFile): Promise<string> {
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

/** Five times as fast as hashing both, and over at the first difference. */
async function compare(a: SafetensorsFile, b: SafetensorsFile): Promise<boolean> {
  const handles = [await open(a.path), await open(b.path)];
  const buffers = handles.map(() => Buffer.allocUnsafe(CHUNK_BYTES));
  try {
    for (let position = 0; position < a.bytes; position += CHUNK_BYTES) {
      const [one, other] = await Promise.all(
        handles.map(async (handle, i) => {
          const { bytesRead, buffer } = await handle.read(buffers[i]!, 0, CHUNK_BYTES, position);
          return buffer.subarray(0, bytesRead);
        }),
      );
      if (!one!.equals(other!)) return false;
    }
    return true;
  } finally {
    for (const handle of handles) await handle.close();
  }
}

async function isUnchanged({ path, identity }: SafetensorsFile): Promise<boolean> {
  const now = await stat(path, { bigint: true }).catch(() => undefined);
  return now !== undefined && identityOf(now) === identity;
}

function remember<Value>(memory: Map<string, Value>, key: string, value: Value): Value {
  if (memory.size >= REMEMBERED) memory.clear();
  memory.set(key, value);
  return value;
}
