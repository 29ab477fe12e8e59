/** Reads what a file of latents says of itself. */
import { Compile } from 'typebox/compile';
import { LatentsFacts } from './contract/latents.ts';

const shape = Compile(LatentsFacts);
const TEXTS: ReadonlySet<string> = new Set(['format', 'kind', 'model', 'vae', 'prompt', 'sampler']);
const LENGTH_BYTES = 8;

/** No file that Kiln writes has a longer header: so much of its start is enough. */
export const LATENTS_START_BYTES = 16_384;

/** Undefined when the bytes are not the start of a file of latents. */
export function latentsFacts(start: Uint8Array): LatentsFacts | undefined {
  const metadata = Object.entries(metadataOf(start));
  const facts: unknown = Object.fromEntries(
    metadata.map(([name, value]) => [name, TEXTS.has(name) ? value : Number(value)]),
  );
  return shape.Check(facts) ? facts : undefined;
}

/** The `__metadata__` of a safetensors file; empty when it has none, or is none. */
export function metadataOf(start: Uint8Array): Readonly<Record<string, unknown>> {
  const header = headerOf(start);
  if (typeof header !== 'object' || header === null || !('__metadata__' in header)) return {};
  const { __metadata__: metadata } = header;
  return typeof metadata === 'object' && metadata !== null ? { ...metadata } : {};
}

function headerOf(start: Uint8Array): unknown {
  if (start.length < LENGTH_BYTES) return undefined;
  const length = Number(new DataView(start.buffer, start.byteOffset).getBigUint64(0, true));
  if (length > start.length - LENGTH_BYTES) return undefined;
  try {
    return JSON.parse(new TextDecoder().decode(start.subarray(LENGTH_BYTES, LENGTH_BYTES + length)));
  } catch {
    return undefined;
  }
}
