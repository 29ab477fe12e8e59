/**
 * The denoising UNet of Stable Diffusion 1.x and 2.x (Rombach et al. 2022, "High-Resolution Image Synthesis with
 * Latent Diffusion Models", section 3.3): ResNet blocks with a time embedding, transformers that attend to the
 * text, and skip connections from each level down to the same level up.
 */
import { GraphBuilder, int } from './graph.ts';
import type { Graph, Value } from './graph.ts';
import { add, attention, conv, groupNorm, layerNorm, linear } from './layers.ts';
import { normSilu, resnet, silu, toFeature, toTokens, upsampleTo } from './layers.ts';
import type { Feature } from './layers.ts';
import type { TransformerShape, UnetBlock, UnetConfig } from './unet-config.ts';
import type { TensorNaming } from './weights.ts';

/** Transformer2DModel's own, different from the resnets' (norm_eps). */
const TRANSFORMER_GROUP_NORM_EPSILON = 1e-6;
const LAYER_NORM_EPSILON = 1e-5;
const MAX_PERIOD = 10_000;

/** What every block needs besides its input. */
interface Walk {
  readonly g: GraphBuilder;
  readonly config: UnetConfig;
  /** SiLU of the time embedding, `[B, timeChannels]`. */
  readonly time: { readonly value: Value; readonly channels: number };
  /** `[B, tokens, crossAttentionDim]` */
  readonly hiddenStates: Value;
}

/**
 * `sample f32[B, inChannels, h, w], timestep f32[B], encoder_hidden_states f32[B, tokens, crossAttentionDim]
 * (, class_labels i64[B]) -> out_sample f32[B, outChannels, h, w]`. Any h and w; each row has its own timestep.
 */
export function unetGraph(config: UnetConfig): Graph {
  const g = new GraphBuilder('unet');
  const sample = g.input('sample', 'float32', ['B', config.inChannels, 'h', 'w']);
  const time = timeEmbedding(g, config);
  const hiddenStates = g.input('encoder_hidden_states', 'float32', ['B', 'tokens', config.crossAttentionDim]);
  const walk: Walk = { g, config, time, hiddenStates };

  const entry = { value: sample, channels: config.inChannels };
  let h = conv(g, entry, 'conv_in', { out: config.down[0]!.channels, kernel: 3 });
  const skips = [h];
  for (const [i, block] of config.down.entries()) h = downBlock(walk, h, { block, i, skips });
  h = midBlock(walk, h);
  for (const [i, block] of config.up.entries()) h = upBlock(walk, h, { block, i, skips });

  const normed = normSilu(g, h, 'conv_norm_out', config);
  const out = conv(g, normed, 'conv_out', { out: config.outChannels, kernel: 3 });
  g.output('out_sample', out.value, ['B', config.outChannels, 'h', 'w']);
  return g.build();
}

/** All names are as diffusers writes them today, and every tensor is used. */
export const unetNaming: TensorNaming = { canonical: (stored) => stored, isUnused: () => false };

/** Sinusoidal embedding of the timestep, two linear layers, and the SiLU that every block begins with. */
function timeEmbedding(g: GraphBuilder, config: UnetConfig): Walk['time'] {
  const base = config.down[0]!.channels;
  const channels = 4 * base;
  const rows = g.input('timestep', 'float32', ['B']);
  const column = g.node('Unsqueeze', [rows, g.int64s([1])]);
  const angles = g.node('Mul', [
    column,
    g.floats(frequencies(base / 2, config.frequencyShift), [1, base / 2]),
  ]);
  const [cos, sin] = [g.node('Cos', [angles]), g.node('Sin', [angles])];
  const waves = g.node('Concat', config.cosFirst ? [cos, sin] : [sin, cos], { axis: int(1) });
  const hidden = silu(g, linear(g, waves, 'time_embedding.linear_1', { in: base, out: channels }));
  let embedding = linear(g, hidden, 'time_embedding.linear_2', { in: channels, out: channels });
  if (config.classes !== undefined) {
    const labels = g.input('class_labels', 'int64', ['B']);
    const table = g.parameter('class_embedding.weight', [config.classes, channels]);
    embedding = g.node('Add', [embedding, g.node('Gather', [table, labels])]);
  }
  return { value: silu(g, embedding), channels };
}

/** 10000^(-k / (half - shift)), rounded to float32 where the reference implementation rounds. */
function frequencies(half: number, shift: number): Float32Array {
  const step = Math.fround(-Math.log(MAX_PERIOD));
  return Float32Array.from({ length: half }, (_, k) =>
    Math.exp(Math.fround(Math.fround(step * k) / (half - shift))),
  );
}

interface BlockPlace {
  readonly block: UnetBlock;
  readonly i: number;
  /** A stack: each step down pushes what the matching step up pops. */
  readonly skips: Feature[];
}

function downBlock(walk: Walk, x: Feature, { block, i, skips }: BlockPlace): Feature {
  const name = `down_blocks.${i}`;
  let h = x;
  for (let j = 0; j < block.resnets; j++) {
    h = layer(walk, h, { block, name, j });
    skips.push(h);
  }
  if (i === walk.config.down.length - 1) return h;
  const size = { out: block.channels, kernel: 3, stride: 2 };
  h = conv(walk.g, h, `${name}.downsamplers.0.conv`, size);
  skips.push(h);
  return h;
}

function midBlock(walk: Walk, x: Feature): Feature {
  const { mid } = walk.config;
  const h = layer(walk, x, { block: mid, name: 'mid_block', j: 0 });
  return layer(walk, h, { block: { channels: mid.channels, resnets: mid.resnets }, name: 'mid_block', j: 1 });
}

function upBlock(walk: Walk, x: Feature, { block, i, skips }: BlockPlace): Feature {
  const { g } = walk;
  const name = `up_blocks.${i}`;
  let h = x;
  for (let j = 0; j < block.resnets; j++) {
    const skip = skips.pop()!;
    const joined = g.node('Concat', [h.value, skip.value], { axis: int(1) });
    h = layer(walk, { value: joined, channels: h.channels + skip.channels }, { block, name, j });
  }
  const next = skips.at(-1);
  if (next === undefined) return h;
  // Not simply twice the size: a level of odd size was rounded up on the way down.
  const larger = upsampleTo(g, h, next);
  return conv(g, larger, `${name}.upsamplers.0.conv`, { out: block.channels, kernel: 3 });
}

interface LayerPlace {
  readonly block: UnetBlock;
  readonly name: string;
  readonly j: number;
}

function layer(walk: Walk, x: Feature, { block, name, j }: LayerPlace): Feature {
  const { groups, epsilon } = walk.config;
  const size = { out: block.channels, groups, epsilon, time: walk.time };
  const h = resnet(walk.g, x, `${name}.resnets.${j}`, size);
  return block.transformer ? spatialTransformer(walk, h, `${name}.attentions.${j}`, block.transformer) : h;
}

function spatialTransformer(walk: Walk, x: Feature, name: string, shape: TransformerShape): Feature {
  const { g, config } = walk;
  const { channels } = x;
  const normed = groupNorm(g, x, `${name}.norm`, {
    groups: config.groups,
    epsilon: TRANSFORMER_GROUP_NORM_EPSILON,
  });
  // SD1 stores both projections as 1x1 convolutions, SD2 as linear layers: the same product over channels.
  const square = { in: channels, out: channels, storedAsConv: !config.linearProjection };
  let tokens = linear(g, toTokens(g, normed), `${name}.proj_in`, square);
  for (let k = 0; k < shape.depth; k++)
    tokens = transformerBlock(walk, { value: tokens, channels }, `${name}.transformer_blocks.${k}`, shape);
  return add(g, toFeature(g, linear(g, tokens, `${name}.proj_out`, square), x), x);
}

function transformerBlock(walk: Walk, x: Feature, name: string, shape: TransformerShape): Value {
  const { g } = walk;
  const { channels } = x;
  const norm = (value: Value, k: number): Value =>
    layerNorm(g, value, `${name}.norm${k}`, { channels, epsilon: LAYER_NORM_EPSILON });

  const first = norm(x.value, 1);
  const seen = shape.onlyCrossAttention ? undefined : { value: first, channels };
  const { heads } = shape;
  let h = g.node('Add', [x.value, mix(walk, `${name}.attn1`, { query: first, channels, seen, heads })]);
  h = g.node('Add', [h, mix(walk, `${name}.attn2`, { query: norm(h, 2), channels, seen: undefined, heads })]);
  return g.node('Add', [h, geglu(g, norm(h, 3), `${name}.ff.net`, channels)]);
}

interface Mix {
  readonly query: Value;
  readonly channels: number;
  /** What the query looks at; the text when undefined. */
  readonly seen: { readonly value: Value; readonly channels: number } | undefined;
  readonly heads: number;
}

function mix(walk: Walk, name: string, { query, channels, seen, heads }: Mix): Value {
  const { g } = walk;
  const context = seen ?? { value: walk.hiddenStates, channels: walk.config.crossAttentionDim };
  const size = { in: context.channels, out: channels, bias: false };
  const mixed = attention(g, {
    query: linear(g, query, `${name}.to_q`, { in: channels, out: channels, bias: false }),
    key: linear(g, context.value, `${name}.to_k`, size),
    value: linear(g, context.value, `${name}.to_v`, size),
    heads,
  });
  return linear(g, mixed, `${name}.to_out.0`, { in: channels, out: channels });
}

/** Shazeer 2020, "GLU Variants Improve Transformer": the first half is the value, the second the gate. */
function geglu(g: GraphBuilder, x: Value, name: string, channels: number): Value {
  const wide = linear(g, x, `${name}.0.proj`, { in: channels, out: 8 * channels });
  const [value, gate] = g.halves(wide, 2);
  const gated = g.node('Mul', [value, g.node('Gelu', [gate])]);
  return linear(g, gated, `${name}.2`, { in: 4 * channels, out: channels });
}
