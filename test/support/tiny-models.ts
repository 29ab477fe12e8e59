/**
 * The four architectures of Stable Diffusion 1.x and 2.x with 16 channels and random weights, in the published layout:
 * written in some ten milliseconds, a UNet call at 64x64 takes one or two. Their text encoders, tokenizers and, but for
 * the upscaler's, VAEs are the same to the byte, as in the published family.
 */
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packageRoot } from '../../src/paths.ts';
import { writeRandomComponent } from './random-model.ts';

const CROSS_DOWN = 'CrossAttnDownBlock2D';
const CROSS_UP = 'CrossAttnUpBlock2D';

export type TinyKind = 'base' | 'depth' | 'inpaint' | 'upscale';

const UNET = {
  block_out_channels: [16, 16],
  attention_head_dim: [2, 2],
  norm_num_groups: 4,
};

/** Sides of latents are an eighth of the image's. */
const VAE = {
  block_out_channels: [8, 8, 16, 16],
  down_block_types: Array(4).fill('DownEncoderBlock2D'),
  up_block_types: Array(4).fill('UpDecoderBlock2D'),
  norm_num_groups: 4,
  scaling_factor: 0.18215,
};

/** Sides of latents are a quarter of the image's: those of the low-resolution image that the UNet looks at. */
const VAE_X4 = {
  block_out_channels: [8, 8, 16],
  down_block_types: Array(3).fill('DownEncoderBlock2D'),
  up_block_types: Array(3).fill('UpDecoderBlock2D'),
  norm_num_groups: 4,
  scaling_factor: 0.08333,
};

/** Sees images of 64x64. */
const DEPTH = {
  model_type: 'dpt',
  is_hybrid: true,
  backbone_config: {
    model_type: 'bit',
    layer_type: 'bottleneck',
    global_padding: 'SAME',
    embedding_dynamic_padding: true,
    out_features: ['stage1', 'stage2', 'stage3'],
    embedding_size: 8,
    depths: [1, 1, 1],
    hidden_sizes: [32, 32, 32],
    num_groups: 4,
  },
  backbone_out_indices: [0, 1, 0, 1],
  fusion_hidden_size: 16,
  hidden_size: 16,
  image_size: 64,
  intermediate_size: 32,
  neck_hidden_sizes: [32, 32, 16, 16],
  neck_ignore_stages: [0, 1],
  num_attention_heads: 2,
  num_hidden_layers: 2,
  patch_size: 16,
  readout_type: 'project',
  reassemble_factors: [1, 1, 1, 0.5],
};

const NOISE_X4 = {
  beta_start: 0.0001,
  beta_end: 0.02,
  beta_schedule: 'scaled_linear',
  num_train_timesteps: 1000,
};

interface TinyModel {
  readonly className: string;
  readonly unet: object;
  readonly vae: object;
  /** More entries of model_index.json. */
  readonly index?: object;
  /** More files, by path. */
  readonly files?: Readonly<Record<string, object>>;
}

const MODELS: Readonly<Record<TinyKind, TinyModel>> = {
  base: { className: 'StableDiffusionPipeline', unet: {}, vae: VAE },
  inpaint: { className: 'StableDiffusionInpaintPipeline', unet: { in_channels: 9 }, vae: VAE },
  depth: {
    className: 'StableDiffusionDepth2ImgPipeline',
    unet: { in_channels: 5 },
    vae: VAE,
    files: {
      'feature_extractor/preprocessor_config.json': {
        do_normalize: true,
        do_rescale: true,
        do_resize: true,
        image_mean: [0.5, 0.5, 0.5],
        image_std: [0.5, 0.5, 0.5],
        resample: 3,
        size: { height: 64, width: 64 },
      },
    },
  },
  upscale: {
    className: 'StableDiffusionUpscalePipeline',
    unet: {
      in_channels: 7,
      num_class_embeds: 1000,
      down_block_types: ['DownBlock2D', CROSS_DOWN],
      up_block_types: [CROSS_UP, 'UpBlock2D'],
      only_cross_attention: [true, false],
    },
    vae: VAE_X4,
    index: { low_res_scheduler: ['diffusers', 'DDPMScheduler'], max_noise_level: 350 },
    files: {
      'low_res_scheduler/scheduler_config.json': { _class_name: 'DDPMScheduler', ...NOISE_X4 },
      'scheduler/scheduler_config.json': {
        _class_name: 'DDIMScheduler',
        ...NOISE_X4,
        clip_sample: false,
        prediction_type: 'v_prediction',
        set_alpha_to_one: false,
        steps_offset: 1,
      },
    },
  },
};

/** One model of each kind, `tiny-<kind>`, below the folder. */
export async function writeTinyModels(dir: string): Promise<void> {
  for (const kind of ['base', 'depth', 'inpaint', 'upscale'] as const)
    await writeTinyModel(join(dir, `tiny-${kind}`), kind);
}

/** Writes a whole model folder; the same kind and seed give the same bytes. */
export async function writeTinyModel(folder: string, kind: TinyKind, seed = 1): Promise<void> {
  const { className, unet, vae, index = {}, files = {} } = MODELS[kind];
  const pocket = join(packageRoot(), 'models', 'pocket-base');
  await mkdir(folder, { recursive: true });
  for (const part of ['tokenizer', 'scheduler'])
    await cp(join(pocket, part), join(folder, part), { recursive: true });
  const options = { seed, deviation: 0.1 };
  await writeRandomComponent(folder, 'text_encoder', {}, options);
  await writeRandomComponent(folder, 'unet', { ...UNET, ...unet }, options);
  await writeRandomComponent(folder, 'vae', vae, options);
  if (kind === 'depth') await writeRandomComponent(folder, 'depth_estimator', DEPTH, options);
  const all = { ...files, 'model_index.json': { _class_name: className, ...index } };
  for (const [path, json] of Object.entries(all)) {
    await mkdir(join(folder, path, '..'), { recursive: true });
    await writeFile(join(folder, path), JSON.stringify(json));
  }
}
