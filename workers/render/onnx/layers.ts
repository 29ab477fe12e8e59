/**
 * The layers that all networks share, in the operators that measured fastest on ONNX Runtime's CPU kernels.
 * Weights are used exactly as stored: no Transpose or Reshape on a weight, which would copy it out of the memory map.
 */
import { float, int, ints, text } from './graph.ts';
import type { GraphBuilder, Value } from './graph.ts';
import type { GroupStatistics } from './group-statistics.ts';

/** A feature map `[B, channels, h, w]`. */
export interface Feature {
  readonly value: Value;
  readonly channels: number;
}

export interface LinearSize {
  readonly in: number;
  readonly out: number;
  readonly bias?: boolean;
  /** The checkpoint stores the weight as a 1x1 convolution, `[out, in, 1, 1]`: the same bytes. */
  readonly storedAsConv?: boolean;
}

/** `[..., in]` -> `[..., out]`. FusedMatMul reads the `[out, in]` weight transposed in place. */
export function linear(g: GraphBuilder, x: Value, name: string, size: LinearSize): Value {
  const storedShape = size.storedAsConv ? [size.out, size.in, 1, 1] : [size.out, size.in];
  const weight = g.parameter(`${name}.weight`, [size.out, size.in], { storedShape });
  const product = g.fused('FusedMatMul', [x, weight], { transB: int(1) });
  if (size.bias === false) return product;
  return g.node('Add', [product, g.parameter(`${name}.bias`, [size.out], { init: 'zero' })]);
}

export interface ConvSize {
  readonly out: number;
  readonly kernel: number;
  readonly stride?: number;
  readonly bias?: boolean;
  /** Top, left, bottom, right; "same" for the kernel unless given. */
  readonly pads?: readonly number[];
}

export function conv(g: GraphBuilder, x: Feature, name: string, size: ConvSize): Feature {
  const { out, kernel, stride = 1 } = size;
  const pads = size.pads ?? Array.from({ length: 4 }, () => (kernel - 1) / 2);
  const weight = g.parameter(`${name}.weight`, [out, x.channels, kernel, kernel]);
  const bias = size.bias === false ? [] : [g.parameter(`${name}.bias`, [out], { init: 'zero' })];
  const attributes = {
    kernel_shape: ints([kernel, kernel]),
    strides: ints([stride, stride]),
    pads: ints(pads),
  };
  return { value: g.node('Conv', [x.value, weight, ...bias], attributes), channels: out };
}

export interface GroupNormSize {
  readonly groups: number;
  readonly epsilon: number;
  /** Where mean and variance come from, unless from the input itself. */
  readonly statistics?: GroupStatistics | undefined;
}

/**
 * Group normalisation as instance normalisation over `[B, groups, -1]`, then scale and shift per channel: the
 * CPU has no kernel of its own for it, and this form keeps the two-pass variance.
 */
export function groupNorm(g: GraphBuilder, x: Feature, name: string, size: GroupNormSize): Feature {
  const { groups, epsilon, statistics } = size;
  if (statistics !== undefined) {
    const names = { scale: `${name}.weight`, shift: `${name}.bias` };
    const { channels } = x;
    return { value: statistics.normalise(x.value, { ...names, channels, groups, epsilon }), channels };
  }
  const grouped = g.node('Reshape', [x.value, g.int64s([0, groups, -1])]);
  const unit = [g.floats(Array(groups).fill(1), [groups]), g.floats(Array(groups).fill(0), [groups])];
  const normed = g.node('InstanceNormalization', [grouped, ...unit], { epsilon: float(epsilon) });
  const restored = g.node('Reshape', [normed, g.node('Shape', [x.value])]);
  const [perChannel, storedShape] = [[x.channels, 1, 1], [x.channels]];
  const scale = g.parameter(`${name}.weight`, perChannel, { init: 'one', storedShape });
  const shift = g.parameter(`${name}.bias`, perChannel, { init: 'zero', storedShape });
  return { value: g.node('Add', [g.node('Mul', [restored, scale]), shift]), channels: x.channels };
}

export interface LayerNormSize {
  readonly channels: number;
  readonly epsilon: number;
}

/** Over the last axis. */
export function layerNorm(g: GraphBuilder, x: Value, name: string, size: LayerNormSize): Value {
  const weight = g.parameter(`${name}.weight`, [size.channels], { init: 'one' });
  const bias = g.parameter(`${name}.bias`, [size.channels], { init: 'zero' });
  return g.node('LayerNormalization', [x, weight, bias], { axis: int(-1), epsilon: float(size.epsilon) });
}

/** x * sigmoid(x), in one pass: QuickGelu is x * sigmoid(alpha x). */
export function silu(g: GraphBuilder, x: Value): Value {
  return g.fused('QuickGelu', [x], { alpha: float(1) });
}

export function relu(g: GraphBuilder, x: Feature): Feature {
  return { value: g.node('Relu', [x.value]), channels: x.channels };
}

export interface AttentionInput {
  /** All `[B, tokens, channels]`. */
  readonly query: Value;
  readonly key: Value;
  readonly value: Value;
  readonly heads: number;
  readonly causal?: boolean;
}

/** softmax(q kᵀ / sqrt(d)) v per head, flash-style: the score matrix is never stored whole. */
export function attention(g: GraphBuilder, input: AttentionInput): Value {
  return g.fused('MultiHeadAttention', [input.query, input.key, input.value], {
    num_heads: int(input.heads),
    unidirectional: int(input.causal ? 1 : 0),
  });
}

/** `[B, C, h, w]` -> `[B, h*w, C]`. */
export function toTokens(g: GraphBuilder, x: Feature): Value {
  const flat = g.node('Reshape', [x.value, g.int64s([0, x.channels, -1])]);
  return g.node('Transpose', [flat], { perm: ints([0, 2, 1]) });
}

/** The inverse of `toTokens`, with the size of `like`. */
export function toFeature(g: GraphBuilder, tokens: Value, like: Feature): Feature {
  const flat = g.node('Transpose', [tokens], { perm: ints([0, 2, 1]) });
  return { value: g.node('Reshape', [flat, g.node('Shape', [like.value])]), channels: like.channels };
}

export function add(g: GraphBuilder, a: Feature, b: Feature): Feature {
  return { value: g.node('Add', [a.value, b.value]), channels: a.channels };
}

const NEAREST = {
  mode: text('nearest'),
  coordinate_transformation_mode: text('asymmetric'),
  nearest_mode: text('floor'),
};

/** Nearest neighbour, both sides doubled. */
export function upsample2x(g: GraphBuilder, x: Feature): Feature {
  const value = g.node('Resize', [x.value, '', g.floats([1, 1, 2, 2], [4])], NEAREST);
  return { value, channels: x.channels };
}

/** Nearest neighbour, to the size of `like`. */
export function upsampleTo(g: GraphBuilder, x: Feature, like: Feature): Feature {
  const batchAndChannels = g.node('Shape', [x.value], { end: int(2) });
  const size = g.node('Shape', [like.value], { start: int(2) });
  const sizes = g.node('Concat', [batchAndChannels, size], { axis: int(0) });
  return { value: g.node('Resize', [x.value, '', '', sizes], NEAREST), channels: x.channels };
}

export interface ResnetSize extends GroupNormSize {
  readonly out: number;
  /** SiLU of the time embedding, `[B, channels]`, for networks that have one. */
  readonly time?: { readonly value: Value; readonly channels: number };
}

/** x + conv(silu(norm(conv(silu(norm(x))) + time))), with a 1x1 convolution on the way past when channels change. */
export function resnet(g: GraphBuilder, x: Feature, name: string, size: ResnetSize): Feature {
  const { out, time } = size;
  let h = conv(g, normSilu(g, x, `${name}.norm1`, size), `${name}.conv1`, { out, kernel: 3 });
  if (time !== undefined) {
    const projected = linear(g, time.value, `${name}.time_emb_proj`, { in: time.channels, out });
    h = {
      value: g.node('Add', [h.value, g.node('Unsqueeze', [projected, g.int64s([2, 3])])]),
      channels: out,
    };
  }
  h = conv(g, normSilu(g, h, `${name}.norm2`, size), `${name}.conv2`, { out, kernel: 3 });
  return add(g, x.channels === out ? x : conv(g, x, `${name}.conv_shortcut`, { out, kernel: 1 }), h);
}

export function normSilu(g: GraphBuilder, x: Feature, name: string, size: GroupNormSize): Feature {
  const normed = groupNorm(g, x, name, size);
  return { value: silu(g, normed.value), channels: x.channels };
}
