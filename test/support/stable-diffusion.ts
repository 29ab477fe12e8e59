/** Configs of Stable Diffusion's networks: full size as published, and small ones of the same make. */

const CROSS_DOWN = 'CrossAttnDownBlock2D';
const CROSS_UP = 'CrossAttnUpBlock2D';

const UNET = {
  _class_name: 'UNet2DConditionModel',
  block_out_channels: [320, 640, 1280, 1280],
  down_block_types: [CROSS_DOWN, CROSS_DOWN, CROSS_DOWN, 'DownBlock2D'],
  up_block_types: ['UpBlock2D', CROSS_UP, CROSS_UP, CROSS_UP],
  layers_per_block: 2,
  norm_num_groups: 32,
  sample_size: 64,
};

export const SD1_UNET = { ...UNET, attention_head_dim: 8, cross_attention_dim: 768 };
export const SD2_UNET = {
  ...UNET,
  attention_head_dim: [5, 10, 20, 20],
  cross_attention_dim: 1024,
  use_linear_projection: true,
};
/** Both see more of the image than its latents: under a mask, or its depth. */
export const SD2_INPAINT_UNET = { ...SD2_UNET, in_channels: 9 };
export const SD2_DEPTH_UNET = { ...SD2_UNET, in_channels: 5 };
/** The x4 upscaler: the low-resolution image beside the latents, and its noise level as a class. */
export const X4_UNET = {
  ...SD2_UNET,
  in_channels: 7,
  block_out_channels: [256, 512, 512, 1024],
  down_block_types: ['DownBlock2D', CROSS_DOWN, CROSS_DOWN, CROSS_DOWN],
  up_block_types: [CROSS_UP, CROSS_UP, CROSS_UP, 'UpBlock2D'],
  attention_head_dim: 8,
  num_class_embeds: 1000,
  only_cross_attention: [true, true, true, false],
  sample_size: 128,
};

export const SD_VAE = {
  _class_name: 'AutoencoderKL',
  block_out_channels: [128, 256, 512, 512],
  down_block_types: Array(4).fill('DownEncoderBlock2D'),
  up_block_types: Array(4).fill('UpDecoderBlock2D'),
  latent_channels: 4,
  layers_per_block: 2,
  norm_num_groups: 32,
};

export const SD1_TEXT = {
  model_type: 'clip_text_model',
  hidden_act: 'quick_gelu',
  hidden_size: 768,
  intermediate_size: 3072,
  num_attention_heads: 12,
  num_hidden_layers: 12,
};
export const SD2_TEXT = {
  model_type: 'clip_text_model',
  hidden_act: 'gelu',
  hidden_size: 1024,
  intermediate_size: 4096,
  num_attention_heads: 16,
  num_hidden_layers: 23,
  vocab_size: 49408,
};

/** The keys of the published depth estimator that change what it computes. */
export const DPT_HYBRID = {
  model_type: 'dpt',
  is_hybrid: true,
  backbone_config: {
    model_type: 'bit',
    layer_type: 'bottleneck',
    global_padding: 'SAME',
    embedding_dynamic_padding: true,
    embedding_size: 64,
    depths: [3, 4, 9],
    hidden_sizes: [256, 512, 1024, 2048],
    num_groups: 32,
    out_features: ['stage1', 'stage2', 'stage3'],
    output_stride: 32,
  },
  backbone_out_indices: [2, 5, 8, 11],
  fusion_hidden_size: 256,
  hidden_act: 'gelu',
  hidden_size: 768,
  image_size: 384,
  intermediate_size: 3072,
  layer_norm_eps: 1e-12,
  neck_hidden_sizes: [256, 512, 768, 768],
  neck_ignore_stages: [0, 1],
  num_attention_heads: 12,
  num_hidden_layers: 12,
  patch_size: 16,
  readout_type: 'project',
  reassemble_factors: [1, 1, 1, 0.5],
};

export const SMALL_UNET = {
  ...SD2_UNET,
  block_out_channels: [32, 64],
  down_block_types: [CROSS_DOWN, 'DownBlock2D'],
  up_block_types: ['UpBlock2D', CROSS_UP],
  attention_head_dim: [2, 4],
  cross_attention_dim: 32,
  layers_per_block: 1,
  norm_num_groups: 8,
  sample_size: 8,
};

export const SMALL_VAE = {
  ...SD_VAE,
  block_out_channels: [16, 32],
  down_block_types: Array(2).fill('DownEncoderBlock2D'),
  up_block_types: Array(2).fill('UpDecoderBlock2D'),
  layers_per_block: 1,
  norm_num_groups: 8,
};

export const SMALL_TEXT = {
  ...SD2_TEXT,
  hidden_size: 32,
  intermediate_size: 64,
  num_attention_heads: 4,
  num_hidden_layers: 2,
  vocab_size: 620,
};
