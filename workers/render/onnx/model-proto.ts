/**
 * ONNX ModelProto, written by hand: the few messages a graph needs do not earn a protobuf dependency.
 * Field numbers are those of onnx.proto. IR 10 and opset 21 are what the pinned ONNX Runtime reads without
 * conversion; `com.microsoft` holds its fused operators.
 */
import { ProtoWriter } from './proto-writer.ts';

const IR_VERSION = 10;
const OPSET_VERSION = 21;
export const MICROSOFT_DOMAIN = 'com.microsoft';

/** TensorProto.DataType */
export const ELEMENT_TYPE = { float32: 1, int32: 6, int64: 7, float16: 10 } as const;
export type ElementType = keyof typeof ELEMENT_TYPE;

/** A number is a fixed size, a string names a dynamic one. */
export type Dims = readonly (number | string)[];

export interface TensorInfo {
  readonly name: string;
  readonly type: ElementType;
  readonly dims: Dims;
}

export type Attribute =
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'ints'; readonly value: readonly number[] };

export interface GraphNode {
  readonly op: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

interface InitializerInfo {
  readonly name: string;
  readonly type: ElementType;
  readonly dims: readonly number[];
}

/** Values inside the model, or a range of bytes in a file of the folder given to the session. */
export type Initializer =
  | (InitializerInfo & { readonly data: Uint8Array })
  | (InitializerInfo & {
      readonly location: string;
      readonly offset: number;
      readonly length: number;
    });

export interface OnnxModel {
  readonly name: string;
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  readonly initializers: readonly Initializer[];
  readonly nodes: readonly GraphNode[];
}

export function encodeModel(model: OnnxModel): Uint8Array {
  const writer = new ProtoWriter();
  writer.int(1, IR_VERSION);
  writer.text(2, 'kiln');
  writer.message(7, (graph) => writeGraph(graph, model));
  writer.message(8, (opset) => opset.int(2, OPSET_VERSION));
  writer.message(8, (opset) => {
    opset.text(1, MICROSOFT_DOMAIN);
    opset.int(2, 1);
  });
  return writer.finish();
}

function writeGraph(writer: ProtoWriter, model: OnnxModel): void {
  for (const node of model.nodes) writer.message(1, (inner) => writeNode(inner, node));
  writer.text(2, model.name);
  for (const tensor of model.initializers) writer.message(5, (inner) => writeInitializer(inner, tensor));
  for (const info of model.inputs) writer.message(11, (inner) => writeValueInfo(inner, info));
  for (const info of model.outputs) writer.message(12, (inner) => writeValueInfo(inner, info));
}

function writeNode(writer: ProtoWriter, node: GraphNode): void {
  for (const input of node.inputs) writer.text(1, input);
  for (const output of node.outputs) writer.text(2, output);
  // A node is named after its first output: errors and profiles of the runtime then point into the network.
  writer.text(3, node.outputs[0] ?? node.op);
  writer.text(4, node.op);
  for (const [name, attribute] of Object.entries(node.attributes))
    writer.message(5, (inner) => writeAttribute(inner, name, attribute));
  if (node.domain !== '') writer.text(7, node.domain);
}

function writeAttribute(writer: ProtoWriter, name: string, attribute: Attribute): void {
  writer.text(1, name);
  switch (attribute.kind) {
    case 'float':
      writer.float(2, attribute.value);
      writer.int(20, 1);
      break;
    case 'int':
      writer.int(3, attribute.value);
      writer.int(20, 2);
      break;
    case 'text':
      writer.text(4, attribute.value);
      writer.int(20, 3);
      break;
    case 'ints':
      for (const value of attribute.value) writer.int(8, value);
      writer.int(20, 7);
      break;
  }
}

function writeInitializer(writer: ProtoWriter, tensor: Initializer): void {
  for (const size of tensor.dims) writer.int(1, size);
  writer.int(2, ELEMENT_TYPE[tensor.type]);
  writer.text(8, tensor.name);
  if ('data' in tensor) {
    writer.bytes(9, tensor.data);
    return;
  }
  const { location, offset, length } = tensor;
  for (const [key, value] of Object.entries({ location, offset, length }))
    writer.message(13, (entry) => {
      entry.text(1, key);
      entry.text(2, String(value));
    });
  writer.int(14, 1);
}

function writeValueInfo(writer: ProtoWriter, info: TensorInfo): void {
  writer.text(1, info.name);
  writer.message(2, (type) =>
    type.message(1, (tensor) => {
      tensor.int(1, ELEMENT_TYPE[info.type]);
      tensor.message(2, (shape) => {
        for (const size of info.dims)
          shape.message(1, (dim) => (typeof size === 'number' ? dim.int(1, size) : dim.text(2, size)));
      });
    }),
  );
}
