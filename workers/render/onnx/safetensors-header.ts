/**
 * The safetensors header: 8 bytes little-endian length, then that many bytes of JSON, then the data. Everything
 * in it comes from a stranger's file and ends up as offsets into a memory map, so all of it is checked here:
 * entries must tile the data exactly, without hole or overlap, as the format demands.
 * Format: https://huggingface.co/docs/safetensors
 */
import { ModelError } from './errors.ts';

/** The format's own limit on the header, in bytes. */
export const MAX_HEADER_BYTES = 100_000_000;
export const LENGTH_PREFIX_BYTES = 8;

const DTYPE_BYTES = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  U16: 2,
  I16: 2,
  F16: 2,
  BF16: 2,
  U32: 4,
  I32: 4,
  F32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
} as const;

export type Dtype = keyof typeof DTYPE_BYTES;

export interface TensorEntry {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** First byte, counted from the start of the file. Published files are often not aligned to anything. */
  readonly offset: number;
  readonly length: number;
}

/**
 * @param json the header's bytes, without the length prefix
 * @param dataBytes how many bytes follow the header in the file
 * @param file named in every error
 * @throws ModelError for anything the format does not allow
 */
export function parseHeader(json: Uint8Array, dataBytes: number, file: string): Map<string, TensorEntry> {
  const root = parseJson(json, file);
  const dataStart = LENGTH_PREFIX_BYTES + json.byteLength;
  const tensors = new Map<string, TensorEntry>();
  for (const [name, value] of Object.entries(root)) {
    if (name === '__metadata__') checkMetadata(value, file);
    else tensors.set(name, parseEntry(name, value, { file, dataStart, dataBytes }));
  }
  checkTiling([...tensors.values()], { file, dataStart, dataBytes });
  return tensors;
}

interface Place {
  readonly file: string;
  readonly dataStart: number;
  readonly dataBytes: number;
}

function parseJson(json: Uint8Array, file: string): Record<string, unknown> {
  let text: string;
  let root: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(json);
    root = JSON.parse(text);
  } catch (cause) {
    throw new ModelError(`${file}: the header (${json.byteLength} bytes) is not JSON in UTF-8`, { cause });
  }
  if (!isRecord(root)) throw new ModelError(`${file}: the header must be a JSON object`);
  const repeated = firstRepeatedKey(text);
  if (repeated !== undefined) throw new ModelError(`${file}: tensor "${repeated}" is listed twice`);
  return root;
}

/** JSON.parse keeps the last of two equal keys without a word, so equal keys are looked for in the text itself. */
function firstRepeatedKey(validJson: string): string | undefined {
  const seen = new Set<string>();
  let depth = 0;
  for (const [token, key] of validJson.matchAll(/("(?:[^"\\]|\\.)*")\s*:|"(?:[^"\\]|\\.)*"|[{}[\]]/g)) {
    if (token === '{' || token === '[') depth++;
    else if (token === '}' || token === ']') depth--;
    else if (depth === 1 && key !== undefined) {
      const name = String(JSON.parse(key));
      if (seen.has(name)) return name;
      seen.add(name);
    }
  }
  return undefined;
}

function checkMetadata(value: unknown, file: string): void {
  if (!isRecord(value) || Object.values(value).some((item) => typeof item !== 'string'))
    throw new ModelError(`${file}: __metadata__ must map strings to strings`);
}

function parseEntry(name: string, value: unknown, place: Place): TensorEntry {
  const fail = (what: string): never => {
    throw new ModelError(`${place.file}: tensor "${name}": ${what}`);
  };
  if (!isRecord(value)) return fail(`must be an object, is ${JSON.stringify(value)}`);
  const { dtype, shape, data_offsets: range } = value;
  if (!isDtype(dtype))
    return fail(`dtype ${JSON.stringify(dtype)} is not one of ${Object.keys(DTYPE_BYTES).join(', ')}`);
  if (!isCountList(shape)) return fail(`shape ${JSON.stringify(shape)} is not a list of sizes`);
  if (!isCountList(range) || range.length !== 2)
    return fail(`data_offsets ${JSON.stringify(range)} is not [begin, end]`);
  const [begin = 0, end = 0] = range;
  if (begin > end || end > place.dataBytes)
    return fail(`data_offsets ${begin}..${end} leave the data, which has ${place.dataBytes} bytes`);
  const wanted = shape.reduce((product, size) => product * size, DTYPE_BYTES[dtype]);
  if (wanted !== end - begin)
    return fail(`${dtype} [${shape.join(', ')}] takes ${wanted} bytes, data_offsets span ${end - begin}`);
  return { name, dtype, shape, offset: place.dataStart + begin, length: end - begin };
}

function checkTiling(entries: readonly TensorEntry[], place: Place): void {
  let position = place.dataStart;
  for (const entry of entries.toSorted((a, b) => a.offset - b.offset || a.length - b.length)) {
    if (entry.offset !== position) {
      const fault = entry.offset < position ? 'overlaps the tensor before it' : 'leaves a hole before it';
      throw new ModelError(
        `${place.file}: tensor "${entry.name}" ${fault}: it begins at byte ${entry.offset}, not ${position}`,
      );
    }
    position += entry.length;
  }
  const unused = place.dataStart + place.dataBytes - position;
  if (unused > 0) throw new ModelError(`${place.file}: the last ${unused} bytes belong to no tensor`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isDtype(value: unknown): value is Dtype {
  return typeof value === 'string' && Object.hasOwn(DTYPE_BYTES, value);
}

function isCountList(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && Number(item) >= 0);
}
