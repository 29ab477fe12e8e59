/**
 * CLIP's text transformer as Stable Diffusion uses it: last hidden state after the final norm, causal, no padding
 * mask. Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision"; SD1 has the
 * ViT-L/14 one (quick_gelu), SD2 the OpenCLIP ViT-H/14 one (gelu) with its last layer already dropped.
 */
import { ConfigReader } from './config-reader.ts';
import { float, GraphBuilder, int } from './graph.ts';
import type { Graph, Value } from './graph.ts';
import { attention, layerNorm, linear } from './layers.ts';
import type { TensorNaming } from './weights.ts';

const ACTIVATIONS = ['quick_gelu', 'gelu'] as const;

export interface ClipTextConfig {
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly vocabSize: number;
  readonly positions: number;
  readonly epsilon: number;
  readonly activation: (typeof ACTIVATIONS)[number];
}

/**
 * Unlike the image networks' configs, this one is full of bookkeeping of the library that wrote it, different
 * in every version; only the keys that change the hidden state are looked at. Defaults are CLIPTextConfig's.
 */
export function parseClipTextConfig(json: unknown, where: string): ClipTextConfig {
  const reader = new ConfigReader(json, where);
  reader.oneOf('model_type', ['clip_text_model', 'clip'], 'clip_text_model');
  reader.fixed({ quantization_config: null, use_attention_mask: false });
  const hiddenSize = reader.count('hidden_size', 512);
  const heads = reader.count('num_attention_heads', 8);
  if (hiddenSize % heads !== 0) reader.fail('num_attention_heads', `must divide hidden_size ${hiddenSize}`);
  return {
    hiddenSize,
    heads,
    intermediateSize: reader.count('intermediate_size', 2048),
    layers: reader.count('num_hidden_layers', 12),
    vocabSize: reader.count('vocab_size', 49408),
    positions: reader.count('max_position_embeddings', 77),
    epsilon: reader.number('layer_norm_eps', 1e-5),
    activation: reader.oneOf('hidden_act', ACTIVATIONS, 'quick_gelu'),
  };
}

/**
 * `input_ids i32[B, positions], clip_skip i32[] -> last_hidden_state f32[B, positions, hiddenSize]`
 *
 * `clip_skip`, below the number of layers, says how many of the last ones to leave out before the final norm. All
 * layers are computed whatever it is: the choice among their results costs nothing beside them, and one session
 * serves every choice.
 */
export function clipTextGraph(config: ClipTextConfig): Graph {
  const { hiddenSize, positions, vocabSize, epsilon } = config;
  const g = new GraphBuilder('clip_text');
  const ids = g.input('input_ids', 'int32', ['B', positions]);
  const skip = g.input('clip_skip', 'int32', []);
  const embeddings = 'text_model.embeddings';
  const tokenTable = g.parameter(`${embeddings}.token_embedding.weight`, [vocabSize, hiddenSize]);
  const positionTable = g.parameter(`${embeddings}.position_embedding.weight`, [positions, hiddenSize]);
  let h = g.node('Add', [g.node('Gather', [tokenTable, ids]), positionTable]);
  const lastFirst: Value[] = [];
  for (let i = 0; i < config.layers; i++) {
    h = encoderLayer(g, h, `text_model.encoder.layers.${i}`, config);
    lastFirst.unshift(g.node('Unsqueeze', [h, g.int64s([0])]));
  }
  const stacked = g.node('Concat', lastFirst, { axis: int(0) });
  const chosen = g.node('Gather', [stacked, skip], { axis: int(0) });
  const last = layerNorm(g, chosen, 'text_model.final_layer_norm', { channels: hiddenSize, epsilon });
  g.output('last_hidden_state', last, ['B', positions, hiddenSize]);
  return g.build();
}

function encoderLayer(g: GraphBuilder, x: Value, name: string, config: ClipTextConfig): Value {
  const { hiddenSize: channels, intermediateSize, epsilon } = config;
  const square = { in: channels, out: channels };
  const normed = layerNorm(g, x, `${name}.layer_norm1`, { channels, epsilon });
  const mixed = attention(g, {
    query: linear(g, normed, `${name}.self_attn.q_proj`, square),
    key: linear(g, normed, `${name}.self_attn.k_proj`, square),
    value: linear(g, normed, `${name}.self_attn.v_proj`, square),
    heads: config.heads,
    causal: true,
  });
  const h = g.node('Add', [x, linear(g, mixed, `${name}.self_attn.out_proj`, square)]);
  const inner = layerNorm(g, h, `${name}.layer_norm2`, { channels, epsilon });
  const wide = linear(g, inner, `${name}.mlp.fc1`, { in: channels, out: intermediateSize });
  const active = activate(g, wide, config.activation);
  return g.node('Add', [h, linear(g, active, `${name}.mlp.fc2`, { in: intermediateSize, out: channels })]);
}

function activate(g: GraphBuilder, x: Value, activation: ClipTextConfig['activation']): Value {
  switch (activation) {
    case 'quick_gelu':
      return g.fused('QuickGelu', [x], { alpha: float(1.702) });
    case 'gelu':
      return g.node('Gelu', [x]);
  }
}

/**
 * transformers 5 may leave the `text_model.` prefix out. Files also carry a table of position numbers, and those
 * saved from a larger CLIP the parts that came with it; none of them touches the hidden state.
 */
export const clipTextNaming: TensorNaming = {
  canonical: (stored) =>
    /^(embeddings|encoder|final_layer_norm)\./.test(stored) ? `text_model.${stored}` : stored,
  isUnused: (name) =>
    name === 'text_model.embeddings.position_ids' ||
    /^(vision_model\.|visual_projection\.|text_projection\.|logit_scale$)/.test(name),
};
