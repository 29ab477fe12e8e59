/**
 * One walk over an architecture builds a `Graph`: its nodes, and the parameters it wants by name and shape.
 * Three things are read off it: the ONNX model (once the parameters are found in a file), the list that a
 * checkpoint is checked against before anything is loaded, and the random weights that tests and benches run on.
 */
import { MICROSOFT_DOMAIN } from './model-proto.ts';
import type { Attribute, Dims, ElementType, GraphNode, Initializer, TensorInfo } from './model-proto.ts';

/** The name of an edge. */
export type Value = string;

export interface Parameter {
  /** As the current diffusers or transformers writes it; files with older names are mapped onto it. */
  readonly name: string;
  /** Shape in the graph. */
  readonly dims: readonly number[];
  /** Shape in the file: the same bytes, perhaps with other ones in the shape ([C] for [C,1,1]). */
  readonly storedShape: readonly number[];
  readonly init: 'normal' | 'one' | 'zero';
}

export interface Graph {
  readonly name: string;
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  readonly nodes: readonly GraphNode[];
  readonly constants: readonly Initializer[];
  readonly parameters: readonly Parameter[];
}

/** Of graphs that read the same file: what two of them read is there once. */
export function parametersOf(graphs: readonly Graph[]): Parameter[] {
  const parameters = graphs.flatMap((graph) => graph.parameters);
  return [...new Map(parameters.map((parameter) => [parameter.name, parameter])).values()];
}

export interface ParameterOptions {
  readonly init?: Parameter['init'];
  readonly storedShape?: readonly number[];
}

type Attributes = Readonly<Record<string, Attribute>>;

export const int = (value: number): Attribute => ({ kind: 'int', value });
export const float = (value: number): Attribute => ({ kind: 'float', value });
export const text = (value: string): Attribute => ({ kind: 'text', value });
export const ints = (value: readonly number[]): Attribute => ({ kind: 'ints', value });

export class GraphBuilder {
  readonly #name: string;
  readonly #inputs: TensorInfo[] = [];
  readonly #outputs: TensorInfo[] = [];
  readonly #nodes: GraphNode[] = [];
  readonly #constants = new Map<string, Initializer>();
  readonly #parameters = new Map<string, Parameter>();

  constructor(name: string) {
    this.#name = name;
  }

  input(name: string, type: ElementType, dims: Dims): Value {
    this.#inputs.push({ name, type, dims });
    return name;
  }

  /** Gives `value` its public name. */
  output(name: string, value: Value, dims: Dims): void {
    this.#nodes.push({ op: 'Identity', domain: '', inputs: [value], outputs: [name], attributes: {} });
    this.#outputs.push({ name, type: 'float32', dims });
  }

  /** A learned float tensor, found in the weight file later. */
  parameter(name: string, dims: readonly number[], options: ParameterOptions = {}): Value {
    if (this.#parameters.has(name)) throw new Error(`the walk asks for parameter ${name} twice`);
    const { init = 'normal', storedShape = dims } = options;
    this.#parameters.set(name, { name, dims, storedShape, init });
    return name;
  }

  /** Equal constants are stored once. */
  floats(values: readonly number[] | Float32Array, dims: readonly number[]): Value {
    return this.#constant('float32', dims, new Uint8Array(Float32Array.from(values).buffer));
  }

  int64s(values: readonly number[], dims: readonly number[] = [values.length]): Value {
    return this.#constant('int64', dims, new Uint8Array(BigInt64Array.from(values.map(BigInt)).buffer));
  }

  node(op: string, inputs: readonly Value[], attributes: Attributes = {}): Value {
    return this.#append({ op, domain: '', inputs, attributes }, 1)[0]!;
  }

  /** An operator of ONNX Runtime's own (domain com.microsoft). */
  fused(op: string, inputs: readonly Value[], attributes: Attributes = {}): Value {
    return this.#append({ op, domain: MICROSOFT_DOMAIN, inputs, attributes }, 1)[0]!;
  }

  /** Two equal parts along `axis`. */
  halves(value: Value, axis: number): [Value, Value] {
    const attributes = { axis: int(axis), num_outputs: int(2) };
    const [first, second] = this.#append({ op: 'Split', domain: '', inputs: [value], attributes }, 2);
    return [first!, second!];
  }

  build(): Graph {
    return {
      name: this.#name,
      inputs: this.#inputs,
      outputs: this.#outputs,
      nodes: this.#nodes,
      constants: [...this.#constants.values()],
      parameters: [...this.#parameters.values()],
    };
  }

  #append(node: Omit<GraphNode, 'outputs'>, count: number): Value[] {
    const outputs = Array.from({ length: count }, (_, i) => `${node.op}_${this.#nodes.length}_${i}`);
    this.#nodes.push({ ...node, outputs });
    return outputs;
  }

  #constant(type: ElementType, dims: readonly number[], data: Uint8Array): Value {
    const key = `${type}[${dims.join()}]${Buffer.from(data).toString('base64')}`;
    const known = this.#constants.get(key);
    if (known !== undefined) return known.name;
    const name = `constant_${this.#constants.size}`;
    this.#constants.set(key, { name, type, dims, data });
    return name;
  }
}
