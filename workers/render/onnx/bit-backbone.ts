/**
 * The ResNet below the depth estimator's transformer. Kolesnikov et al. 2020, "Big Transfer", on the bottlenecks of
 * He et al. 2016: group norms, and weights standardised per output channel (Qiao et al. 2019).
 */
import type { BackboneConfig } from './dpt-config.ts';
import { float, ints, text } from './graph.ts';
import type { GraphBuilder, Value } from './graph.ts';
import { add, groupNorm, relu } from './layers.ts';
import type { Feature } from './layers.ts';

const GROUP_NORM_EPSILON = 1e-5;
const STANDARDISATION_EPSILON = 1e-8;
const NAME = 'dpt.embeddings.backbone.bit';

/** As TensorFlow pads: sides are rounded up, an odd cell of padding goes to the right or bottom. */
const SAME = text('SAME_UPPER');

/** `[B, 3, H, W]` -> one map per stage: `[B, C1, H/4, W/4]`, `[B, C2, H/8, W/8]`, `[B, C3, H/16, W/16]`. */
export function bitBackbone(g: GraphBuilder, image: Feature, config: BackboneConfig): Feature[] {
  const { embeddingSize, groups } = config;
  const stem = standardisedConv(g, image, `${NAME}.embedder.convolution`, {
    out: embeddingSize,
    kernel: 7,
    stride: 2,
  });
  const active = relu(g, norm(g, stem, `${NAME}.embedder.norm`, groups));
  // The reference pads with zeros, this pads with nothing: after a ReLU no maximum can tell.
  const pooled = g.node('MaxPool', [active.value], {
    kernel_shape: ints([3, 3]),
    strides: ints([2, 2]),
    auto_pad: SAME,
  });
  let h: Feature = { value: pooled, channels: embeddingSize };
  return config.stages.map(({ channels, layers }, s) => {
    for (let l = 0; l < layers; l++) {
      const name = `${NAME}.encoder.stages.${s}.layers.${l}`;
      h = bottleneck(g, h, name, {
        out: channels,
        groups,
        isFirst: l === 0,
        stride: s > 0 && l === 0 ? 2 : 1,
      });
    }
    return h;
  });
}

interface BottleneckSize {
  readonly out: number;
  readonly groups: number;
  readonly stride: number;
  /** Of its stage: the way past is a convolution then. */
  readonly isFirst: boolean;
}

function bottleneck(g: GraphBuilder, x: Feature, name: string, size: BottleneckSize): Feature {
  const { out, groups, stride } = size;
  const inner = out / 4;
  let h = standardisedConv(g, x, `${name}.conv1`, { out: inner, kernel: 1, stride: 1 });
  h = relu(g, norm(g, h, `${name}.norm1`, groups));
  h = standardisedConv(g, h, `${name}.conv2`, { out: inner, kernel: 3, stride });
  h = relu(g, norm(g, h, `${name}.norm2`, groups));
  h = standardisedConv(g, h, `${name}.conv3`, { out, kernel: 1, stride: 1 });
  h = norm(g, h, `${name}.norm3`, groups);
  if (!size.isFirst) return relu(g, add(g, h, x));
  const past = standardisedConv(g, x, `${name}.downsample.conv`, { out, kernel: 1, stride });
  return relu(g, add(g, h, norm(g, past, `${name}.downsample.norm`, groups)));
}

function norm(g: GraphBuilder, x: Feature, name: string, groups: number): Feature {
  return groupNorm(g, x, name, { groups, epsilon: GROUP_NORM_EPSILON });
}

interface StandardisedConvSize {
  readonly out: number;
  readonly kernel: number;
  readonly stride: number;
}

function standardisedConv(g: GraphBuilder, x: Feature, name: string, size: StandardisedConvSize): Feature {
  const { out, kernel, stride } = size;
  const shape = [out, x.channels, kernel, kernel];
  const weight = standardise(g, g.parameter(`${name}.weight`, shape), shape);
  const attributes = {
    kernel_shape: ints([kernel, kernel]),
    strides: ints([stride, stride]),
    auto_pad: SAME,
  };
  return { value: g.node('Conv', [x.value, weight], attributes), channels: out };
}

/**
 * Mean 0 and variance 1 per output channel. Nothing here depends on an input, so the runtime computes it once,
 * while it loads, and the network costs no more than one whose file has such weights.
 */
function standardise(g: GraphBuilder, weight: Value, shape: readonly number[]): Value {
  const out = shape[0]!;
  const rows = g.node('Reshape', [weight, g.int64s([1, out, -1])]);
  const unit = [g.floats(Array(out).fill(1), [out]), g.floats(Array(out).fill(0), [out])];
  const epsilon = float(STANDARDISATION_EPSILON);
  const standard = g.node('InstanceNormalization', [rows, ...unit], { epsilon });
  return g.node('Reshape', [standard, g.int64s(shape)]);
}
