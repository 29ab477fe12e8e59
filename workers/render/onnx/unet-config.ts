/** The UNet's config.json. Key names and defaults are those of diffusers' UNet2DConditionModel. */
import { ConfigReader } from './config-reader.ts';

const DOWN_BLOCKS = ['CrossAttnDownBlock2D', 'DownBlock2D'] as const;
const UP_BLOCKS = ['CrossAttnUpBlock2D', 'UpBlock2D'] as const;

const TRAINED_SAMPLE_SIZE = 64;

/** What the blocks of one level, on the way down or up, are made of. */
export interface UnetBlock {
  readonly channels: number;
  readonly resnets: number;
  /** Absent: the block has no attention. */
  readonly transformer?: TransformerShape;
}

export interface TransformerShape {
  readonly depth: number;
  readonly heads: number;
  /** Both attentions look at the text; otherwise the first looks at the image. */
  readonly onlyCrossAttention: boolean;
}

export interface UnetConfig {
  readonly inChannels: number;
  readonly outChannels: number;
  /** Side of the latents it was trained on, in cells. */
  readonly sampleSize: number;
  /** In the order of computation. */
  readonly down: readonly UnetBlock[];
  readonly mid: UnetBlock & { readonly transformer: TransformerShape };
  readonly up: readonly UnetBlock[];
  readonly groups: number;
  readonly epsilon: number;
  readonly crossAttentionDim: number;
  readonly linearProjection: boolean;
  readonly cosFirst: boolean;
  readonly frequencyShift: number;
  /** The x4 upscaler's noise levels; absent in all others. */
  readonly classes?: number;
}

export function parseUnetConfig(json: unknown, where: string): UnetConfig {
  const reader = new ConfigReader(json, where);
  refuseOtherArchitectures(reader);
  const blocks = parseBlocks(reader);
  const groups = reader.count('norm_num_groups', 32);
  for (const { channels } of blocks.down)
    if (channels % groups !== 0) reader.fail('norm_num_groups', `must divide ${channels} channels`);
  if (blocks.down[0]!.channels % 2 !== 0) reader.fail('block_out_channels', 'must begin with an even number');
  const classes = reader.optionalCount('num_class_embeds');
  const config: UnetConfig = {
    ...blocks,
    groups,
    inChannels: reader.count('in_channels', 4),
    outChannels: reader.count('out_channels', 4),
    sampleSize: readSampleSize(reader),
    epsilon: reader.number('norm_eps', 1e-5),
    crossAttentionDim: reader.count('cross_attention_dim', 1280),
    linearProjection: reader.boolean('use_linear_projection', false),
    cosFirst: reader.boolean('flip_sin_to_cos', true),
    frequencyShift: reader.number('freq_shift', 0),
    ...(classes === undefined ? {} : { classes }),
  };
  reader.finish();
  return config;
}

/** Files from before diffusers 0.9 may state 32 for networks trained at 64; diffusers corrects them the same way. */
function readSampleSize(reader: ConfigReader): number {
  const stated = reader.count('sample_size', TRAINED_SAMPLE_SIZE);
  const isOld = /^0\.[0-8]\./.test(reader.text('_diffusers_version', ''));
  return isOld ? Math.max(stated, TRAINED_SAMPLE_SIZE) : stated;
}

function refuseOtherArchitectures(reader: ConfigReader): void {
  reader.oneOf('_class_name', ['UNet2DConditionModel'], 'UNet2DConditionModel');
  reader.oneOf('mid_block_type', ['UNetMidBlock2DCrossAttn'], 'UNetMidBlock2DCrossAttn');
  reader.fixed({
    act_fn: 'silu',
    addition_embed_type: null,
    attention_type: 'default',
    center_input_sample: false,
    class_embed_type: null,
    class_embeddings_concat: false,
    conv_in_kernel: 3,
    conv_out_kernel: 3,
    cross_attention_norm: null,
    downsample_padding: 1,
    dual_cross_attention: false,
    encoder_hid_dim: null,
    encoder_hid_dim_type: null,
    mid_block_scale_factor: 1,
    projection_class_embeddings_input_dim: null,
    resnet_out_scale_factor: 1,
    resnet_skip_time_act: false,
    resnet_time_scale_shift: 'default',
    reverse_transformer_layers_per_block: null,
    time_cond_proj_dim: null,
    time_embedding_act_fn: null,
    time_embedding_dim: null,
    time_embedding_type: 'positional',
    timestep_post_act: null,
  });
  // Dropout is off outside training, attention is computed in fp32 anyway, and the two addition keys only
  // parametrise addition_embed_type.
  reader.ignore('dropout', 'upcast_attention', 'addition_embed_type_num_heads', 'addition_time_embed_dim');
}

function parseBlocks(reader: ConfigReader): Pick<UnetConfig, 'down' | 'mid' | 'up'> {
  const channels = reader.counts('block_out_channels', [320, 640, 1280, 1280]);
  const n = channels.length;
  const [crossDown, plainDown] = DOWN_BLOCKS;
  const [crossUp, plainUp] = UP_BLOCKS;
  const downTypes = reader.names('down_block_types', DOWN_BLOCKS, [
    crossDown,
    crossDown,
    crossDown,
    plainDown,
  ]);
  const upTypes = reader.names('up_block_types', UP_BLOCKS, [plainUp, crossUp, crossUp, crossUp]);
  for (const [key, list] of Object.entries({ down_block_types: downTypes, up_block_types: upTypes }))
    if (list.length !== n) reader.fail(key, `must have one entry for each of the ${n} block_out_channels`);
  const resnets = reader.countPerBlock('layers_per_block', n, 2);
  const transformers = parseTransformers(reader, channels);
  const level = (i: number, withAttention: boolean): UnetBlock => ({
    channels: channels[i]!,
    resnets: resnets[i]!,
    ...(withAttention ? { transformer: transformers.perLevel[i]! } : {}),
  });
  return {
    down: downTypes.map((type, i) => level(i, type === crossDown)),
    mid: { ...level(n - 1, false), transformer: transformers.mid },
    // The way up takes the levels in reverse, with one more resnet for the one more skip connection.
    up: upTypes.map((type, i) => {
      const block = level(n - 1 - i, type === crossUp);
      return { ...block, resnets: block.resnets + 1 };
    }),
  };
}

interface Transformers {
  readonly perLevel: readonly TransformerShape[];
  readonly mid: TransformerShape;
}

function parseTransformers(reader: ConfigReader, channels: readonly number[]): Transformers {
  const n = channels.length;
  // `attention_head_dim` is the number of heads, whatever it is called: diffusers keeps an old mistake alive.
  const headDim = reader.countPerBlock('attention_head_dim', n, 8);
  const heads = reader.isSet('num_attention_heads')
    ? reader.countPerBlock('num_attention_heads', n, 8)
    : headDim;
  const depth = reader.countPerBlock('transformer_layers_per_block', n, 1);
  const onlyCross = reader.booleanPerBlock('only_cross_attention', n, false);
  const perLevel = channels.map((size, i): TransformerShape => {
    if (size % heads[i]! !== 0) reader.fail('attention_head_dim', `heads must divide ${size} channels`);
    return { depth: depth[i]!, heads: heads[i]!, onlyCrossAttention: onlyCross[i]! };
  });
  // A single switch covers the middle too; a list speaks of the levels alone.
  const midDefault = !reader.isList('only_cross_attention') && onlyCross[n - 1]!;
  const onlyCrossAttention = reader.optionalBoolean('mid_block_only_cross_attention') ?? midDefault;
  return { perLevel, mid: { ...perLevel[n - 1]!, onlyCrossAttention } };
}
