/**
 * Floating-point operations of one run of a graph, counted over the graph that is run: a multiplication and an
 * addition are two. Convolutions, matrix products and attention only; what norms, activations and sums add is
 * under one percent and lost in memory traffic anyway.
 */
import type { GraphNode } from '../../workers/render/onnx/model-proto.ts';
import type { Graph } from '../../workers/render/onnx/graph.ts';
import { inferShapes, volume } from './shapes.ts';
import type { InputDims, Shaped } from './shapes.ts';

/** @param inputDims shape of every input by name */
export function countFlops(graph: Graph, inputDims: InputDims): number {
  const shapes = inferShapes(graph, inputDims);
  const shapeOf = (value: string | undefined): Shaped => shapes.get(value ?? '')!;
  return graph.nodes.reduce((sum, node) => sum + flopsOf(node, shapeOf), 0);
}

function flopsOf({ op, inputs, outputs }: GraphNode, shapeOf: (value: string | undefined) => Shaped): number {
  const [first, second] = [shapeOf(inputs[0]), shapeOf(inputs[1])];
  const results = (): number => volume(shapeOf(outputs[0]).dims);
  switch (op) {
    case 'Conv':
      // The weight is [out, in, height, width]: each result takes one product per value of its row.
      return 2 * results() * volume(second.dims.slice(1));
    case 'FusedMatMul':
      return 2 * results() * first.dims.at(-1)!;
    case 'MultiHeadAttention':
      // Scores and mixture, the whole square even where a causal mask hides half of it.
      return 4 * volume(first.dims) * second.dims[1]!;
    default:
      return 0;
  }
}
