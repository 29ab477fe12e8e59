/**
 * A checkpoint as a safetensors file and back, to the bit: the latents, what the sampler remembers, and where the random
 * generator is. `src/contract/latents.ts` says what it looks like.
 */
import { createHash } from 'node:crypto';
import { LATENTS_FORMAT, type LatentsFacts } from '../../../src/contract/latents.ts';
import { latentsFacts, metadataOf } from '../../../src/latents-facts.ts';
import { checkpointOf, type Sample } from '../diffusion/denoise.ts';
import type { LoadedModel } from '../diffusion/loaded-model.ts';
import type { Checkpoint } from '../diffusion/span.ts';
import type { RandomState } from '../diffusion/torch-random.ts';
import { LENGTH_PREFIX_BYTES, parseHeader, type TensorEntry } from '../onnx/safetensors-header.ts';
import { messageOf } from './failure-of.ts';

const LATENTS = 'latents';
const MEMORY = 'sampler.';
const WORDS = 'random.words';
/** Readers map the data where they lie: they begin at a multiple of this. */
const ALIGNMENT = 8;
const WORD_BYTES = 4;

interface Tensor {
  readonly name: string;
  readonly dtype: 'F32' | 'U32';
  readonly shape: readonly number[];
  readonly data: Float32Array | Uint32Array;
}

export function latentsFile(sample: Sample, model: LoadedModel): Uint8Array {
  const { latents, memory, random } = checkpointOf(sample);
  const { height, width } = sample.latentSize;
  const shape = [1, model.latentChannels, height, width];
  const tensors: Tensor[] = [
    { name: LATENTS, dtype: 'F32', shape, data: latents },
    ...[...memory].map(([name, data]): Tensor => ({ name: `${MEMORY}${name}`, dtype: 'F32', shape, data })),
  ];
  if (random !== null) {
    tensors.push({ name: WORDS, dtype: 'U32', shape: [random.words.length], data: random.words });
  }
  const facts = factsOf(sample, model);
  return written(tensors, {
    ...Object.fromEntries(Object.entries(facts).map(([name, value]) => [name, String(value)])),
    ...(random === null ? {} : randomFields(random)),
  });
}

/** Throws a RangeError that says what is wrong with the file. */
export function readLatents(file: Uint8Array): Checkpoint {
  const facts = latentsFacts(file);
  if (facts === undefined) throw new RangeError('init_latent is no file of latents that Kiln has written');
  const tensors = readTensors(file);
  const latents = tensors.get(LATENTS);
  if (latents === undefined) throw new RangeError(`init_latent has no tensor "${LATENTS}"`);
  const memory = [...tensors]
    .filter(([name]) => name.startsWith(MEMORY))
    .map(([name, entry]) => [name.slice(MEMORY.length), floatsOf(file, entry)] as const);
  return {
    latents: floatsOf(file, latents),
    callsDone: facts.step,
    memory: new Map(memory),
    random: randomOf(file, tensors.get(WORDS)),
  };
}

function factsOf({ request, sampler, callsDone }: Sample, model: LoadedModel): LatentsFacts {
  return {
    format: LATENTS_FORMAT,
    kind: request.kind,
    model: model.name,
    vae: model.vaeDigest,
    prompt: createHash('sha256').update(request.prompt).digest('hex'),
    sampler: request.sampler,
    steps: request.steps,
    strength: 'strength' in request ? request.strength : 1,
    eta: request.eta,
    seed: request.seed,
    width: request.width,
    height: request.height,
    step: callsDone,
    calls: sampler.calls,
  };
}

/** A number written in decimal is the same number when it is read. */
function randomFields({ used, pending }: RandomState): Record<string, string> {
  return { random_used: String(used), ...(pending === null ? {} : { random_pending: String(pending) }) };
}

function randomOf(file: Uint8Array, entry: TensorEntry | undefined): RandomState | null {
  if (entry === undefined) return null;
  if (entry.dtype !== 'U32')
    throw new RangeError(`"${WORDS}" of init_latent is ${entry.dtype}, but must be U32`);
  const { random_used: used, random_pending: pending } = metadataOf(file);
  return {
    words: new Uint32Array(bytesOf(file, entry)),
    used: Number(used),
    pending: pending === undefined ? null : Number(pending),
  };
}

function written(tensors: readonly Tensor[], metadata: Record<string, string>): Uint8Array {
  let end = 0;
  const entries = tensors.map(({ name, dtype, shape, data }) => {
    const begin = end;
    end += data.byteLength;
    return [name, { dtype, shape, data_offsets: [begin, end] }] as const;
  });
  const json = JSON.stringify({ __metadata__: metadata, ...Object.fromEntries(entries) });
  const length = Math.ceil(Buffer.byteLength(json) / ALIGNMENT) * ALIGNMENT;
  const prefix = Buffer.alloc(LENGTH_PREFIX_BYTES);
  prefix.writeBigUInt64LE(BigInt(length));
  const data = tensors.map((tensor) =>
    Buffer.from(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength),
  );
  return Buffer.concat([prefix, Buffer.alloc(length, ' ').fill(json, 0, Buffer.byteLength(json)), ...data]);
}

function readTensors(file: Uint8Array): Map<string, TensorEntry> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const headerBytes = Number(view.getBigUint64(0, true));
  const header = file.subarray(LENGTH_PREFIX_BYTES, LENGTH_PREFIX_BYTES + headerBytes);
  try {
    return parseHeader(header, file.length - LENGTH_PREFIX_BYTES - headerBytes, 'init_latent');
  } catch (error) {
    throw new RangeError(messageOf(error), { cause: error });
  }
}

function floatsOf(file: Uint8Array, entry: TensorEntry): Float32Array {
  if (entry.dtype === 'F32') return new Float32Array(bytesOf(file, entry));
  throw new RangeError(`"${entry.name}" of init_latent is ${entry.dtype}, but must be F32`);
}

/** A copy: the file's own bytes lie wherever the message put them. */
function bytesOf(file: Uint8Array, { offset, length }: TensorEntry): ArrayBuffer {
  const copy = new ArrayBuffer(length - (length % WORD_BYTES));
  new Uint8Array(copy).set(file.subarray(offset, offset + copy.byteLength));
  return copy;
}
