/**
 * The shape of every value of a graph, for inputs of given shapes: how large a network's products are follows from
 * it. Covers the operators that the networks are made of; any other is an error, since a guess would be a wrong count.
 */
import type { Attribute, GraphNode } from '../../workers/render/onnx/model-proto.ts';
import type { Graph, Value } from '../../workers/render/onnx/graph.ts';

export interface Shaped {
  readonly dims: readonly number[];
  /** What is in it, of values that other shapes are computed from. */
  readonly content?: readonly number[];
}

export type InputDims = Readonly<Record<string, readonly number[]>>;

type Rule = (inputs: readonly Shaped[], node: GraphNode) => Shaped | readonly Shaped[];

/** @throws Error naming an input without a shape, or an operator without a rule */
export function inferShapes(graph: Graph, inputDims: InputDims): Map<Value, Shaped> {
  const shapes = new Map<Value, Shaped>();
  for (const { name } of graph.inputs) {
    const dims = inputDims[name];
    if (dims === undefined) throw new Error(`${graph.name}: input ${name} has no shape`);
    shapes.set(name, { dims });
  }
  for (const { name, dims } of graph.parameters) shapes.set(name, { dims });
  for (const constant of graph.constants) shapes.set(constant.name, shapedConstant(constant));
  // Nodes stand in the order of computation, so what one needs has its shape before it.
  for (const node of graph.nodes) {
    const rule = RULES[node.op];
    if (rule === undefined) throw new Error(`${graph.name}: no rule for the shape of ${node.op}`);
    const results = [
      rule(
        node.inputs.map((input) => shapes.get(input) ?? ABSENT),
        node,
      ),
    ].flat();
    for (const [i, output] of node.outputs.entries()) shapes.set(output, results[i]!);
  }
  return shapes;
}

export function volume(dims: readonly number[]): number {
  return dims.reduce((product, size) => product * size, 1);
}

export function intOf(node: GraphNode, name: string, fallback: number): number {
  const attribute = node.attributes[name];
  return attribute?.kind === 'int' ? attribute.value : fallback;
}

/** An input that was left out: its name is empty. */
const ABSENT: Shaped = { dims: [] };

const same: Rule = ([x]) => ({ dims: x!.dims });
const broadcast: Rule = ([a, b]) => ({ dims: broadcastDims(a!.dims, b!.dims) });

const RULES: Readonly<Record<string, Rule>> = {
  Add: broadcast,
  Concat: concat,
  Conv: ([x, weight], node) => ({ dims: [x!.dims[0]!, weight!.dims[0]!, ...windows(x!, node)] }),
  Cos: same,
  Expand: ([x, shape]) => ({ dims: broadcastDims(x!.dims, contentOf(shape)) }),
  FusedMatMul: ([a, weight]) => ({ dims: [...a!.dims.slice(0, -1), weight!.dims[0]!] }),
  Gather: ([table, ids], node) => {
    const axis = intOf(node, 'axis', 0);
    return { dims: table!.dims.toSpliced(axis, 1, ...ids!.dims) };
  },
  Gelu: same,
  Identity: same,
  InstanceNormalization: same,
  LayerNormalization: same,
  MaxPool: ([x], node) => ({ dims: [...x!.dims.slice(0, 2), ...windows(x!, node)] }),
  Mul: broadcast,
  MultiHeadAttention: ([query, , value]) => ({ dims: [...query!.dims.slice(0, 2), value!.dims[2]!] }),
  QuickGelu: same,
  Relu: same,
  Reshape: ([x, shape]) => ({ dims: reshaped(x!.dims, contentOf(shape)) }),
  Resize: ([x, , scales, sizes]) => ({
    dims: sizes?.content ?? x!.dims.map((size, i) => Math.floor(size * contentOf(scales)[i]!)),
  }),
  Shape: ([x], node) => {
    const content = x!.dims.slice(intOf(node, 'start', 0), intOf(node, 'end', x!.dims.length));
    return { dims: [content.length], content };
  },
  Sin: same,
  Slice: slice,
  Split: ([x], node) => {
    const parts = intOf(node, 'num_outputs', node.outputs.length);
    const axis = intOf(node, 'axis', 0);
    const dims = x!.dims.with(axis, x!.dims.at(axis)! / parts);
    return Array.from({ length: parts }, () => ({ dims }));
  },
  Squeeze: ([x, axes]) => ({ dims: x!.dims.filter((_, i) => !contentOf(axes).includes(i)) }),
  Transpose: ([x], node) => ({ dims: intsOf(node, 'perm').map((axis) => x!.dims[axis]!) }),
  Unsqueeze: ([x, axes]) => ({
    dims: contentOf(axes).reduce<readonly number[]>((dims, axis) => dims.toSpliced(axis, 0, 1), x!.dims),
  }),
};

function concat(inputs: readonly Shaped[], node: GraphNode): Shaped {
  const { dims } = inputs[0]!;
  const axis = intOf(node, 'axis', 0);
  const joined = {
    dims: dims.with(
      axis,
      inputs.reduce((sum, input) => sum + input.dims.at(axis)!, 0),
    ),
  };
  const contents = inputs.map(({ content }) => content);
  return contents.every((content) => content !== undefined)
    ? { ...joined, content: contents.flat() }
    : joined;
}

function slice([x, starts, ends, axes]: readonly Shaped[]): Shaped {
  const dims = [...x!.dims];
  for (const [i, axis] of contentOf(axes).entries())
    dims[axis] = Math.min(contentOf(ends)[i]!, dims[axis]!) - contentOf(starts)[i]!;
  return { dims };
}

/** Height and width of what a window that moves over `x` gives. */
function windows({ dims }: Shaped, node: GraphNode): number[] {
  const strides = intsOf(node, 'strides');
  const kernel = intsOf(node, 'kernel_shape');
  const sides = dims.slice(2);
  // With `auto_pad` there are as many as strides fit in, rounded up.
  if (node.attributes['auto_pad'] !== undefined) return sides.map((side, i) => Math.ceil(side / strides[i]!));
  const pads = intsOf(node, 'pads');
  return sides.map((side, i) => Math.floor((side + pads[i]! + pads[i + 2]! - kernel[i]!) / strides[i]!) + 1);
}

/** ONNX: 0 keeps a size, -1 takes what is left. */
function reshaped(dims: readonly number[], shape: readonly number[]): number[] {
  const kept = shape.map((size, i) => (size === 0 ? dims[i]! : size));
  const known = volume(kept.filter((size) => size !== -1));
  return kept.map((size) => (size === -1 ? volume(dims) / known : size));
}

function broadcastDims(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  const size = (dims: readonly number[], i: number): number => dims[i - rank + dims.length] ?? 1;
  return Array.from({ length: rank }, (_, i) => Math.max(size(a, i), size(b, i)));
}

function contentOf(value: Shaped | undefined): readonly number[] {
  if (value?.content === undefined) throw new Error('a shape depends on what only a run can tell');
  return value.content;
}

function intsOf(node: GraphNode, name: string): readonly number[] {
  const attribute: Attribute | undefined = node.attributes[name];
  if (attribute?.kind !== 'ints') throw new Error(`${node.op} has no list ${name}`);
  return attribute.value;
}

function shapedConstant({ type, dims, ...rest }: Graph['constants'][number]): Shaped {
  if (!('data' in rest)) return { dims };
  const { buffer, byteOffset, byteLength } = rest.data;
  const bytes = buffer.slice(byteOffset, byteOffset + byteLength);
  const content = type === 'int64' ? [...new BigInt64Array(bytes)].map(Number) : [...new Float32Array(bytes)];
  return { dims, content };
}
