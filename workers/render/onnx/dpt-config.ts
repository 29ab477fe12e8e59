/** The depth estimator's config.json. Key names and defaults are those of transformers' DPTConfig and BitConfig. */
import { ConfigReader } from './config-reader.ts';

/** BitConfig divides a bottleneck's channels by 4 and rounds to multiples of 8; these need no rounding. */
const STAGE_CHANNELS_MULTIPLE = 32;
/** The backbone and the neck halve the sides five times. */
const SIDE_MULTIPLE = 32;
const PATCH_SIDE = 16;
const STAGES = ['stage1', 'stage2', 'stage3'];

/** Written out by newer versions of transformers; older ones filled it in. */
const DEFAULT_BACKBONE = {
  depths: [3, 4, 9],
  embedding_dynamic_padding: true,
  global_padding: 'SAME',
  layer_type: 'bottleneck',
  out_features: STAGES,
};

export interface DptConfig {
  readonly imageChannels: number;
  readonly backbone: BackboneConfig;
  /** Of the square that it takes and gives, in pixels. */
  readonly side: number;
  /** One for the class token, one per patch. */
  readonly positions: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly epsilon: number;
  /** Of the layers, from 0: where the neck reads the transformer, below the two stages of the backbone. */
  readonly hooks: readonly [number, number];
  /** Channels of the neck's four inputs, from the finest to the coarsest. */
  readonly neckSizes: readonly [number, number, number, number];
  readonly fusionSize: number;
}

export interface BackboneConfig {
  readonly embeddingSize: number;
  readonly groups: number;
  readonly stages: readonly { readonly channels: number; readonly layers: number }[];
}

/**
 * Like CLIP's, this config is mostly bookkeeping of the library that wrote it: only the keys that change the depth
 * are looked at.
 *
 * @throws ModelError naming the file, the key and what Kiln computes, for all but the hybrid with a BiT backbone
 */
export function parseDptConfig(json: unknown, where: string): DptConfig {
  const reader = new ConfigReader(json, where);
  refuseOtherArchitectures(reader);
  const hiddenSize = reader.count('hidden_size', 768);
  const heads = reader.count('num_attention_heads', 12);
  if (hiddenSize % heads !== 0) reader.fail('num_attention_heads', `must divide hidden_size ${hiddenSize}`);
  const side = reader.count('image_size', 384);
  if (side % SIDE_MULTIPLE !== 0) reader.fail('image_size', `must be a multiple of ${SIDE_MULTIPLE}`);
  const layers = reader.count('num_hidden_layers', 12);
  const imageChannels = reader.count('num_channels', 3);
  const backbone = parseBackbone(reader, imageChannels);
  const fusionSize = reader.count('fusion_hidden_size', 256);
  if (fusionSize % 2 !== 0) reader.fail('fusion_hidden_size', 'must be even');
  return {
    imageChannels,
    backbone,
    hiddenSize,
    heads,
    layers,
    fusionSize,
    side,
    positions: 1 + (side / PATCH_SIDE) ** 2,
    intermediateSize: reader.count('intermediate_size', 3072),
    epsilon: reader.number('layer_norm_eps', 1e-12),
    hooks: readHooks(reader, layers),
    neckSizes: readNeckSizes(reader, backbone),
  };
}

function refuseOtherArchitectures(reader: ConfigReader): void {
  reader.oneOf('model_type', ['dpt'], 'dpt');
  if (!reader.boolean('is_hybrid', false)) reader.fail('is_hybrid', 'only the hybrid is supported');
  reader.fixed({
    add_projection: false,
    head_in_index: -1,
    hidden_act: 'gelu',
    patch_size: PATCH_SIDE,
    qkv_bias: true,
    readout_type: 'project',
    use_batch_norm_in_fusion_residual: false,
    use_bias_in_fusion_residual: true,
  });
  reader.exactly('neck_ignore_stages', [0, 1]);
  reader.exactly('reassemble_factors', [1, 1, 1, 0.5]);
}

/** The first two entries stand for the backbone's stages, whatever they say. */
function readHooks(reader: ConfigReader, layers: number): [number, number] {
  const key = 'backbone_out_indices';
  const [, , first, second, ...more] = reader.indices(key, [2, 5, 8, 11]);
  if (first === undefined || second === undefined || more.length > 0)
    return reader.fail(key, 'must have four entries');
  if (first >= second || second >= layers)
    return reader.fail(key, `must end with two of the ${layers} layers, in their order`);
  return [first, second];
}

function readNeckSizes(reader: ConfigReader, backbone: BackboneConfig): DptConfig['neckSizes'] {
  const [first, second] = backbone.stages.map(({ channels }) => channels);
  const key = 'neck_hidden_sizes';
  const [a, b, c, d, ...more] = reader.counts(key, [96, 192, 384, 768]);
  if (a === undefined || b === undefined || c === undefined || d === undefined || more.length > 0)
    return reader.fail(key, 'must have four entries');
  if (a !== first || b !== second)
    return reader.fail(key, `must begin with the backbone's ${first} and ${second} channels`);
  return [a, b, c, d];
}

function parseBackbone(outer: ConfigReader, imageChannels: number): BackboneConfig {
  const reader = outer.section('backbone_config', DEFAULT_BACKBONE);
  reader.oneOf('model_type', ['bit'], 'bit');
  reader.oneOf('layer_type', ['bottleneck']);
  reader.oneOf('global_padding', ['SAME', 'same']);
  if (!reader.boolean('embedding_dynamic_padding', false))
    reader.fail('embedding_dynamic_padding', 'only true is supported');
  reader.fixed({ hidden_act: 'relu', num_channels: imageChannels, output_stride: 32, width_factor: 1 });
  reader.exactly('out_features', STAGES);
  const groups = reader.count('num_groups', 32);
  const embeddingSize = reader.count('embedding_size', 64);
  const depths = reader.counts('depths', [3, 4, 6, 3]);
  const sizes = reader.counts('hidden_sizes', [256, 512, 1024, 2048]);
  if (depths.length !== STAGES.length) reader.fail('depths', `must have ${STAGES.length} entries`);
  if (sizes.length < STAGES.length) reader.fail('hidden_sizes', `must have ${STAGES.length} entries or more`);
  const stages = depths.map((layers, i) => ({ layers, channels: sizes[i]! }));
  for (const { channels } of stages)
    if (channels % STAGE_CHANNELS_MULTIPLE !== 0)
      reader.fail('hidden_sizes', `must be multiples of ${STAGE_CHANNELS_MULTIPLE}`);
  for (const channels of [embeddingSize, ...stages.flatMap(({ channels: c }) => [c / 4, c])])
    if (channels % groups !== 0) reader.fail('num_groups', `must divide ${channels} channels`);
  return { embeddingSize, groups, stages };
}
