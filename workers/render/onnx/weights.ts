/**
 * Finds a graph's parameters in a weight file. Nothing is copied: the model that comes out points into the file,
 * and ONNX Runtime maps it.
 */
import { basename } from 'node:path';
import { int } from './graph.ts';
import type { Graph, Parameter } from './graph.ts';
import { ELEMENT_TYPE, encodeModel } from './model-proto.ts';
import type { ElementType, GraphNode, Initializer } from './model-proto.ts';
import type { SafetensorsFile } from './safetensors.ts';
import type { Dtype, TensorEntry } from './safetensors-header.ts';

/** How a family's files deviate from the names and tensors of today's diffusers. */
export interface TensorNaming {
  /** The name in the file -> the graph's name. */
  canonical(stored: string): string;
  /** Present in published files, not part of the computation. */
  isUnused(canonical: string): boolean;
}

export interface WeightMatch {
  /** By the graph's name. */
  readonly found: ReadonlyMap<string, TensorEntry>;
  /** One sentence per tensor that is missing, has the wrong shape or type, or has no place. */
  readonly problems: readonly string[];
}

/** Weights are read in these; the runtime has no CPU kernels for bf16, and no checkpoint of the family uses others. */
const WEIGHT_TYPES: Partial<Record<Dtype, ElementType>> = { F32: 'float32', F16: 'float16' };

/** The type that graphs compute in: a weight stored in another one goes through a Cast, folded while loading. */
const COMPUTE_TYPE: ElementType = 'float32';

export function matchWeights(
  parameters: readonly Parameter[],
  tensors: ReadonlyMap<string, TensorEntry>,
  naming: TensorNaming,
): WeightMatch {
  const stored = new Map<string, TensorEntry>();
  const problems: string[] = [];
  for (const entry of tensors.values()) {
    const name = naming.canonical(entry.name);
    if (naming.isUnused(name)) continue;
    const twin = stored.get(name);
    if (twin !== undefined) problems.push(`"${entry.name}" and "${twin.name}" are the same tensor`);
    stored.set(name, entry);
  }
  for (const parameter of parameters) {
    const entry = stored.get(parameter.name);
    const problem = entry === undefined ? missing(parameter) : mismatch(parameter, entry);
    if (problem !== undefined) problems.push(problem);
  }
  const expected = new Set(parameters.map(({ name }) => name));
  for (const [name, entry] of stored)
    if (!expected.has(name))
      problems.push(`"${entry.name}" ${shapeText(entry.shape)} has no place in this network`);
  return { found: stored, problems };
}

function missing({ name, storedShape }: Parameter): string {
  return `"${name}" ${shapeText(storedShape)} is missing`;
}

function mismatch(parameter: Parameter, entry: TensorEntry): string | undefined {
  if (withoutTrailingOnes(entry.shape) !== withoutTrailingOnes(parameter.storedShape))
    return `"${entry.name}" is ${shapeText(entry.shape)}, the config asks for ${shapeText(parameter.storedShape)}`;
  if (WEIGHT_TYPES[entry.dtype] === undefined)
    return `"${entry.name}" is ${entry.dtype}; weights must be ${Object.keys(WEIGHT_TYPES).join(' or ')}`;
  return undefined;
}

/** [C,C,1,1] and [C,C] hold the same bytes for the same product; writers disagree about which to store. */
function withoutTrailingOnes(shape: readonly number[]): string {
  return shape.join().replace(/(?<=\d)(,1)+$/, '');
}

function shapeText(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}

/**
 * The encoded ONNX model, with each parameter pointing into `file`.
 * @param found must have no problems
 */
export function bindWeights(graph: Graph, file: SafetensorsFile, found: WeightMatch['found']): Uint8Array {
  const initializers: Initializer[] = [...graph.constants];
  const casts: GraphNode[] = [];
  for (const { name, dims } of graph.parameters) {
    const entry = found.get(name);
    const type = entry && WEIGHT_TYPES[entry.dtype];
    if (type === undefined) throw new Error(`parameter ${name} was not matched`);
    const initializer = type === COMPUTE_TYPE ? name : `${name}:${type}`;
    const { offset, length } = entry!;
    initializers.push({ name: initializer, type, dims, location: basename(file.path), offset, length });
    if (initializer === name) continue;
    const attributes = { to: int(ELEMENT_TYPE[COMPUTE_TYPE]) };
    casts.push({ op: 'Cast', domain: '', inputs: [initializer], outputs: [name], attributes });
  }
  return encodeModel({ ...graph, initializers, nodes: [...casts, ...graph.nodes] });
}
