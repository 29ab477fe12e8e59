/**
 * The autoencoder between pixels and latents (Rombach et al. 2022, section 3.1), both directions. Latents come in
 * and go out unscaled: dividing or multiplying by scaling_factor is the caller's.
 */
import { ConfigReader } from './config-reader.ts';
import { GraphBuilder } from './graph.ts';
import type { Graph } from './graph.ts';
import { GroupStatistics } from './group-statistics.ts';
import {
  add,
  attention,
  conv,
  groupNorm,
  linear,
  normSilu,
  resnet,
  toFeature,
  toTokens,
  upsample2x,
} from './layers.ts';
import type { Feature, GroupNormSize } from './layers.ts';
import type { TensorNaming } from './weights.ts';

const DOWN_BLOCK = 'DownEncoderBlock2D';
const UP_BLOCK = 'UpDecoderBlock2D';
const NORM_EPSILON = 1e-6;

export interface VaeConfig {
  readonly imageChannels: number;
  readonly latentChannels: number;
  /** From the image's side to the latents'. */
  readonly channels: readonly number[];
  /** Resnets per level of the encoder; the decoder has one more. */
  readonly resnets: number;
  readonly groups: number;
  readonly scalingFactor: number;
  /** Pixels per latent cell and side. */
  readonly latentScale: number;
}

/** Key names and defaults are those of diffusers' AutoencoderKL. */
export function parseVaeConfig(json: unknown, where: string): VaeConfig {
  const reader = new ConfigReader(json, where);
  reader.oneOf('_class_name', ['AutoencoderKL'], 'AutoencoderKL');
  reader.fixed({
    act_fn: 'silu',
    latents_mean: null,
    latents_std: null,
    mid_block_add_attention: true,
    shift_factor: null,
    use_post_quant_conv: true,
    use_quant_conv: true,
  });
  // sample_size only matters for tiling; force_upcast asks for the fp32 that is used anyway.
  reader.ignore('sample_size', 'force_upcast');
  const channels = reader.counts('block_out_channels', [64]);
  checkBlockTypes(reader, channels.length);
  const imageChannels = reader.count('in_channels', 3);
  if (reader.count('out_channels', 3) !== imageChannels)
    reader.fail('out_channels', `must equal in_channels ${imageChannels}`);
  const groups = reader.count('norm_num_groups', 32);
  for (const size of channels)
    if (size % groups !== 0) reader.fail('norm_num_groups', `must divide ${size} channels`);
  const config: VaeConfig = {
    imageChannels,
    channels,
    groups,
    latentChannels: reader.count('latent_channels', 4),
    resnets: reader.count('layers_per_block', 1),
    scalingFactor: reader.number('scaling_factor', 0.18215),
    latentScale: 2 ** (channels.length - 1),
  };
  if (config.scalingFactor <= 0) reader.fail('scaling_factor', 'must be above 0');
  reader.finish();
  return config;
}

function checkBlockTypes(reader: ConfigReader, levels: number): void {
  const types = {
    down_block_types: reader.names('down_block_types', [DOWN_BLOCK], [DOWN_BLOCK]),
    up_block_types: reader.names('up_block_types', [UP_BLOCK], [UP_BLOCK]),
  };
  for (const [key, list] of Object.entries(types))
    if (list.length !== levels)
      reader.fail(key, `must have one entry for each of the ${levels} block_out_channels`);
}

/** `latent_sample f32[B, latentChannels, h, w] -> sample f32[B, 3, h*scale, w*scale]`, pixels in about -1..1. */
export function vaeDecoderGraph(config: VaeConfig): Graph {
  const g = new GraphBuilder('vae_decoder');
  const image = decoder({ g, config });
  g.output('sample', image.value, ['B', config.imageChannels, 'H', 'W']);
  return g.build();
}

/**
 * The decoder for one tile of a picture: `latent_sample f32[1, latentChannels, h, w], statistics f32[norms, 2, groups],
 * own_share f32[] -> sample f32[1, 3, h*scale, w*scale], measured f32[norms, 2, groups]`. See `GroupStatistics`.
 */
export function vaeTileDecoderGraph(config: VaeConfig): Graph {
  const g = new GraphBuilder('vae_tile_decoder');
  const statistics = new GroupStatistics(g, config.groups);
  const image = decoder({ g, config, statistics });
  g.output('sample', image.value, [1, config.imageChannels, 'H', 'W']);
  g.output('measured', statistics.measured(), ['norms', 2, config.groups]);
  return g.build();
}

/** Group norms in the decoder: two per resnet, one before the attention, one before the last layer. */
export function vaeDecoderNorms({ channels, resnets }: VaeConfig): number {
  const resnetsOfLevels = channels.length * (resnets + 1);
  const resnetsOfMiddle = 2;
  return 2 * (resnetsOfMiddle + resnetsOfLevels) + 2;
}

interface Walk {
  readonly g: GraphBuilder;
  readonly config: VaeConfig;
  readonly statistics?: GroupStatistics;
}

function decoder(walk: Walk): Feature {
  const { g, config } = walk;
  const { latentChannels, imageChannels } = config;
  const value = g.input('latent_sample', 'float32', ['B', latentChannels, 'h', 'w']);
  const levels = config.channels.toReversed();
  let h = conv(g, { value, channels: latentChannels }, 'post_quant_conv', { out: latentChannels, kernel: 1 });
  h = conv(g, h, 'decoder.conv_in', { out: levels[0]!, kernel: 3 });
  h = midBlock(walk, h, 'decoder.mid_block');
  for (const [i, out] of levels.entries()) {
    const name = `decoder.up_blocks.${i}`;
    for (let j = 0; j <= config.resnets; j++)
      h = resnet(g, h, `${name}.resnets.${j}`, { out, ...normSize(walk) });
    if (i === levels.length - 1) continue;
    h = conv(g, upsample2x(g, h), `${name}.upsamplers.0.conv`, { out, kernel: 3 });
  }
  const normed = normSilu(g, h, 'decoder.conv_norm_out', normSize(walk));
  return conv(g, normed, 'decoder.conv_out', { out: imageChannels, kernel: 3 });
}

/** `sample f32[B, 3, H, W] -> latent_parameters f32[B, 2*latentChannels, h, w]`: mean, then log variance. */
export function vaeEncoderGraph(config: VaeConfig): Graph {
  const { latentChannels, imageChannels } = config;
  const g = new GraphBuilder('vae_encoder');
  const walk = { g, config };
  const value = g.input('sample', 'float32', ['B', imageChannels, 'H', 'W']);
  const entry = { value, channels: imageChannels };
  let h = conv(g, entry, 'encoder.conv_in', { out: config.channels[0]!, kernel: 3 });
  for (const [i, out] of config.channels.entries()) {
    const name = `encoder.down_blocks.${i}`;
    for (let j = 0; j < config.resnets; j++)
      h = resnet(g, h, `${name}.resnets.${j}`, { out, ...normSize(walk) });
    if (i === config.channels.length - 1) continue;
    // Padded at the bottom and right only, as the original was trained.
    h = conv(g, h, `${name}.downsamplers.0.conv`, { out, kernel: 3, stride: 2, pads: [0, 0, 1, 1] });
  }
  h = midBlock(walk, h, 'encoder.mid_block');
  const normed = normSilu(g, h, 'encoder.conv_norm_out', normSize(walk));
  const moments = conv(g, normed, 'encoder.conv_out', { out: 2 * latentChannels, kernel: 3 });
  const out = conv(g, moments, 'quant_conv', { out: 2 * latentChannels, kernel: 1 });
  g.output('latent_parameters', out.value, ['B', 2 * latentChannels, 'h', 'w']);
  return g.build();
}

function normSize({ config, statistics }: Walk): GroupNormSize {
  return { groups: config.groups, epsilon: NORM_EPSILON, statistics };
}

function midBlock(walk: Walk, x: Feature, name: string): Feature {
  const size = { out: x.channels, ...normSize(walk) };
  let h = resnet(walk.g, x, `${name}.resnets.0`, size);
  h = selfAttention(walk, h, `${name}.attentions.0`);
  return resnet(walk.g, h, `${name}.resnets.1`, size);
}

/** One head over all channels. */
function selfAttention(walk: Walk, x: Feature, name: string): Feature {
  const { g } = walk;
  const { channels } = x;
  const square = { in: channels, out: channels };
  const normed = groupNorm(g, x, `${name}.group_norm`, normSize(walk));
  const tokens = toTokens(g, normed);
  const mixed = attention(g, {
    query: linear(g, tokens, `${name}.to_q`, square),
    key: linear(g, tokens, `${name}.to_k`, square),
    value: linear(g, tokens, `${name}.to_v`, square),
    heads: 1,
  });
  return add(g, x, toFeature(g, linear(g, mixed, `${name}.to_out.0`, square), x));
}

/** The attention's names changed twice: the original checkpoints', early diffusers', today's. */
const ATTENTION_NAMES: Readonly<Record<string, string>> = {
  norm: 'group_norm',
  q: 'to_q',
  k: 'to_k',
  v: 'to_v',
  proj_out: 'to_out.0',
  query: 'to_q',
  key: 'to_k',
  value: 'to_v',
  proj_attn: 'to_out.0',
};

export const vaeNaming: TensorNaming = {
  canonical: (stored) =>
    stored.replace(
      /^((?:en|de)coder\.mid_block\.attentions\.0\.)(\w+)\.(weight|bias)$/,
      (_, before: string, layer: string, kind: string) =>
        `${before}${ATTENTION_NAMES[layer] ?? layer}.${kind}`,
    ),
  isUnused: () => false,
};
