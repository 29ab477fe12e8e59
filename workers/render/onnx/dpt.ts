/**
 * The depth estimator of Stable Diffusion 2's depth model: MiDaS' DPT-Hybrid. Ranftl et al. 2021, "Vision
 * Transformers for Dense Prediction": a BiT ResNet finds features, a vision transformer relates them, and a neck
 * fuses two stages of the first and two layers of the second from coarse to fine.
 */
import { bitBackbone } from './bit-backbone.ts';
import type { DptConfig } from './dpt-config.ts';
import { GraphBuilder, int, ints, text } from './graph.ts';
import type { Graph, Value } from './graph.ts';
import { add, attention, conv, layerNorm, linear, relu, toTokens } from './layers.ts';
import type { Feature } from './layers.ts';
import type { TensorNaming } from './weights.ts';

/** Channels before the last layer of the head. */
const HEAD_CHANNELS = 32;

/**
 * `pixel_values f32[B, 3, side, side] -> predicted_depth f32[B, side, side]`: inverse depth, 0 and up, in no unit.
 * The side is fixed by the trained position embeddings; transformers takes no other either.
 */
export function dptGraph(config: DptConfig): Graph {
  const { hiddenSize, imageChannels, fusionSize, side } = config;
  const g = new GraphBuilder('depth_estimator');
  const value = g.input('pixel_values', 'float32', ['B', imageChannels, side, side]);
  const stages = bitBackbone(g, { value, channels: imageChannels }, config.backbone);
  const deepest = stages.at(-1)!;
  const patches = conv(g, deepest, 'dpt.embeddings.projection', { out: hiddenSize, kernel: 1 });

  const hooked = transformer(g, patches, config);
  const [middle, coarse] = hooked.map((tokens, i) =>
    reassemble(g, tokens, { stage: i + 2, patches, config }),
  );
  const halved = { out: config.neckSizes[3], kernel: 3, stride: 2 };
  const coarsest = conv(g, coarse!, 'neck.reassemble_stage.layers.3.resize', halved);

  const pyramid = [stages[0]!, stages[1]!, middle!, coarsest].map((level, i) =>
    conv(g, level, `neck.convs.${i}`, { out: fusionSize, kernel: 3, bias: false }),
  );
  let fused = fuse(g, pyramid.at(-1)!, 0);
  for (let i = 1; i < pyramid.length; i++) fused = fuse(g, fused, i, pyramid.at(-1 - i)!);
  g.output('predicted_depth', head(g, fused), ['B', side, side]);
  return g.build();
}

/** The two layers' outputs that the neck reads, `[B, 1 + patches, hiddenSize]`. */
function transformer(g: GraphBuilder, patches: Feature, config: DptConfig): Value[] {
  let h = embed(g, patches, config);
  const outputs: Value[] = [];
  // Layers above the last one read change nothing, but their tensors are in the file.
  for (let i = 0; i < config.layers; i++) {
    h = transformerLayer(g, h, `dpt.encoder.layer.${i}`, config);
    if (config.hooks.includes(i)) outputs.push(h);
  }
  return outputs;
}

/** `[B, 1 + patches, hiddenSize]`: the class token, then the patches row by row, each with its position. */
function embed(g: GraphBuilder, patches: Feature, { hiddenSize, positions }: DptConfig): Value {
  const batch = g.node('Shape', [patches.value], { end: int(1) });
  const classShape = g.node('Concat', [batch, g.int64s([1, hiddenSize])], { axis: int(0) });
  const classToken = g.parameter('dpt.embeddings.cls_token', [1, 1, hiddenSize]);
  const classRows = g.node('Expand', [classToken, classShape]);
  const tokens = g.node('Concat', [classRows, toTokens(g, patches)], { axis: int(1) });
  return g.node('Add', [
    tokens,
    g.parameter('dpt.embeddings.position_embeddings', [1, positions, hiddenSize]),
  ]);
}

/** Before each half a norm, as in Dosovitskiy et al. 2021. */
function transformerLayer(g: GraphBuilder, x: Value, name: string, config: DptConfig): Value {
  const { hiddenSize: channels, intermediateSize, epsilon } = config;
  const square = { in: channels, out: channels };
  const seen = layerNorm(g, x, `${name}.layernorm_before`, { channels, epsilon });
  const mixed = attention(g, {
    query: linear(g, seen, `${name}.attention.attention.query`, square),
    key: linear(g, seen, `${name}.attention.attention.key`, square),
    value: linear(g, seen, `${name}.attention.attention.value`, square),
    heads: config.heads,
  });
  const h = g.node('Add', [x, linear(g, mixed, `${name}.attention.output.dense`, square)]);
  const normed = layerNorm(g, h, `${name}.layernorm_after`, { channels, epsilon });
  const wide = linear(g, normed, `${name}.intermediate.dense`, { in: channels, out: intermediateSize });
  const narrow = { in: intermediateSize, out: channels };
  return g.node('Add', [h, linear(g, g.node('Gelu', [wide]), `${name}.output.dense`, narrow)]);
}

interface Reassembly {
  /** Of the neck, from 0. */
  readonly stage: number;
  /** The map that the tokens came from: theirs is as large. */
  readonly patches: Feature;
  readonly config: DptConfig;
}

/** Tokens back into a map, each with what the class token knows. */
function reassemble(g: GraphBuilder, tokens: Value, { stage, patches, config }: Reassembly): Feature {
  const { hiddenSize, neckSizes } = config;
  const name = 'neck.reassemble_stage';
  const cells = slice(g, tokens, [1, Number.MAX_SAFE_INTEGER]);
  const readout = g.node('Expand', [slice(g, tokens, [0, 1]), g.node('Shape', [cells])]);
  const joined = g.node('Concat', [cells, readout], { axis: int(2) });
  const size = { in: 2 * hiddenSize, out: hiddenSize };
  const mixed = g.node('Gelu', [linear(g, joined, `${name}.readout_projects.${stage}.0`, size)]);
  const flat = g.node('Transpose', [mixed], { perm: ints([0, 2, 1]) });
  const value = g.node('Reshape', [flat, g.node('Shape', [patches.value])]);
  const out = stage === 2 ? neckSizes[2] : neckSizes[3];
  return conv(g, { value, channels: hiddenSize }, `${name}.layers.${stage}.projection`, { out, kernel: 1 });
}

/** One step from coarse to fine: what came up, joined with this level's map, to twice the size. */
function fuse(g: GraphBuilder, x: Feature, i: number, level?: Feature): Feature {
  const name = `neck.fusion_stage.layers.${i}`;
  const joined = level === undefined ? x : add(g, x, residualUnit(g, level, `${name}.residual_layer1`));
  const larger = enlarge(g, residualUnit(g, joined, `${name}.residual_layer2`));
  return conv(g, larger, `${name}.projection`, { out: x.channels, kernel: 1 });
}

function residualUnit(g: GraphBuilder, x: Feature, name: string): Feature {
  const size = { out: x.channels, kernel: 3 };
  const h = conv(g, relu(g, x), `${name}.convolution1`, size);
  return add(g, x, conv(g, relu(g, h), `${name}.convolution2`, size));
}

/** `[B, H, W]` */
function head(g: GraphBuilder, x: Feature): Value {
  const half = conv(g, x, 'head.head.0', { out: x.channels / 2, kernel: 3 });
  const narrow = conv(g, enlarge(g, half), 'head.head.2', { out: HEAD_CHANNELS, kernel: 3 });
  const depth = conv(g, relu(g, narrow), 'head.head.4', { out: 1, kernel: 1 });
  return g.node('Squeeze', [relu(g, depth).value, g.int64s([1])]);
}

const BILINEAR = { mode: text('linear'), coordinate_transformation_mode: text('align_corners') };

/** Bilinear, both sides doubled, corners on corners. */
function enlarge(g: GraphBuilder, x: Feature): Feature {
  const value = g.node('Resize', [x.value, '', g.floats([1, 1, 2, 2], [4])], BILINEAR);
  return { value, channels: x.channels };
}

/** Along axis 1. */
function slice(g: GraphBuilder, x: Value, [start, end]: readonly [number, number]): Value {
  return g.node('Slice', [x, g.int64s([start]), g.int64s([end]), g.int64s([1])]);
}

/** transformers makes and stores a final norm and one residual unit that its forward pass never calls. */
export const dptNaming: TensorNaming = {
  canonical: (stored) => stored,
  isUnused: (name) => /^(dpt\.layernorm\.|neck\.fusion_stage\.layers\.0\.residual_layer1\.)/.test(name),
};
