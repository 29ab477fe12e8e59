import { describe, expect, test } from 'vitest';
import { parseClipTextConfig } from '../../workers/render/onnx/clip-text.ts';
import { parseUnetConfig } from '../../workers/render/onnx/unet-config.ts';
import { parseVaeConfig } from '../../workers/render/onnx/vae.ts';
import { SMALL_TEXT, SMALL_UNET, SMALL_VAE } from '../support/stable-diffusion.ts';

describe('a UNet that Kiln would compute wrongly is refused with key and value', () => {
  test.each([
    [
      { resnet_time_scale_shift: 'scale_shift' },
      '"resnet_time_scale_shift": "scale_shift" only "default" is supported',
    ],
    [{ dual_cross_attention: true }, '"dual_cross_attention": true only false is supported'],
    [{ addition_embed_type: 'text_time' }, '"addition_embed_type": "text_time" is not supported'],
    [{ time_cond_proj_dim: 256 }, '"time_cond_proj_dim": 256 is not supported'],
    [
      { mid_block_type: 'UNetMidBlock2D' },
      '"mid_block_type": "UNetMidBlock2D" must be one of UNetMidBlock2DCrossAttn',
    ],
    [{ _class_name: 'UNet3DConditionModel' }, '"_class_name": "UNet3DConditionModel" must be one of'],
    [
      { down_block_types: ['AttnDownBlock2D', 'DownBlock2D'] },
      '"down_block_types": ["AttnDownBlock2D","DownBlock2D"] may hold',
    ],
    [
      { up_block_types: ['UpBlock2D'] },
      '"up_block_types": ["UpBlock2D"] must have one entry for each of the 2',
    ],
    [
      { attention_head_dim: [2, 4, 4] },
      '"attention_head_dim": [2,4,4] must have one entry for each of the 2 blocks',
    ],
    [{ attention_head_dim: 3 }, '"attention_head_dim": 3 heads must divide 32 channels'],
    [{ norm_num_groups: 7 }, '"norm_num_groups": 7 must divide 32 channels'],
    [{ block_out_channels: [] }, '"block_out_channels": [] must be a list of whole numbers'],
    [{ block_out_channels: '320' }, '"block_out_channels": "320" must be a list'],
    [{ in_channels: 0 }, '"in_channels": 0 must be a whole number of at least 1'],
    [{ cross_attention_dim: [32, 32] }, '"cross_attention_dim": [32,32] must be a whole number'],
    [{ norm_eps: '1e-5' }, '"norm_eps": "1e-5" must be a number'],
    [{ use_linear_projection: 1 }, '"use_linear_projection": 1 must be true or false'],
    [
      { only_cross_attention: [true] },
      '"only_cross_attention": [true] must be true or false, or a list of 2',
    ],
    [{ a_switch_of_next_year: 'on' }, '"a_switch_of_next_year": "on" is unknown to Kiln'],
  ])('%j', (change, message) => {
    expect(() => parseUnetConfig({ ...SMALL_UNET, ...change }, 'unet/config.json')).toThrow(
      `unet/config.json: ${message}`,
    );
  });

  test('and so is one that is no object', () => {
    expect(() => parseUnetConfig([], 'unet/config.json')).toThrow('unet/config.json: must be a JSON object');
  });
});

describe('a UNet', () => {
  test('may have switches that are off, and keys without effect', () => {
    const extra = { a_switch_of_next_year: null, upcast_attention: true, dropout: 0.1, _name_or_path: 'x' };
    expect(parseUnetConfig({ ...SMALL_UNET, ...extra }, 'x')).toEqual(parseUnetConfig(SMALL_UNET, 'x'));
  });

  test('takes the number of heads from attention_head_dim, unless num_attention_heads is there', () => {
    const heads = (change: object): unknown =>
      parseUnetConfig({ ...SMALL_UNET, ...change }, 'x').down.map(({ transformer }) => transformer?.heads);
    expect(heads({ attention_head_dim: 8 })).toEqual([8, undefined]);
    expect(heads({ attention_head_dim: 8, num_attention_heads: 4 })).toEqual([4, undefined]);
  });

  test('has the middle follow only_cross_attention when it is one switch, not when it is a list', () => {
    const mid = (change: object): boolean =>
      parseUnetConfig({ ...SMALL_UNET, ...change }, 'x').mid.transformer.onlyCrossAttention;
    expect(mid({ only_cross_attention: true })).toBe(true);
    expect(mid({ only_cross_attention: [true, true] })).toBe(false);
    expect(mid({ only_cross_attention: true, mid_block_only_cross_attention: false })).toBe(false);
  });

  test('of before diffusers 0.9 was trained on 64 cells, even where its file says 32', () => {
    const side = (change: object): number => parseUnetConfig({ ...SMALL_UNET, ...change }, 'x').sampleSize;
    expect(side({ sample_size: 32, _diffusers_version: '0.8.0' })).toBe(64);
    expect(side({ sample_size: 96, _diffusers_version: '0.8.0' })).toBe(96);
    expect(side({ sample_size: 32, _diffusers_version: '0.10.0' })).toBe(32);
    expect(side({ sample_size: 32 })).toBe(32);
  });
});

describe('a VAE that Kiln would compute wrongly is refused with key and value', () => {
  test.each([
    [{ shift_factor: 0.1 }, '"shift_factor": 0.1 is not supported'],
    [{ use_quant_conv: false }, '"use_quant_conv": false only true is supported'],
    [
      { down_block_types: ['AttnDownEncoderBlock2D'] },
      '"down_block_types": ["AttnDownEncoderBlock2D"] may hold',
    ],
    [{ up_block_types: ['UpDecoderBlock2D'] }, '"up_block_types": ["UpDecoderBlock2D"] must have one entry'],
    [{ scaling_factor: 0 }, '"scaling_factor": 0 must be above 0'],
    [{ out_channels: 4 }, '"out_channels": 4 must equal in_channels 3'],
    [{ norm_num_groups: 5 }, '"norm_num_groups": 5 must divide 16 channels'],
  ])('%j', (change, message) => {
    expect(() => parseVaeConfig({ ...SMALL_VAE, ...change }, 'vae/config.json')).toThrow(
      `vae/config.json: ${message}`,
    );
  });
});

test('a VAE without scaling_factor has the one of Stable Diffusion', () => {
  expect(parseVaeConfig(SMALL_VAE, 'x')).toMatchObject({ scalingFactor: 0.18215, latentScale: 2 });
});

describe('a text encoder that Kiln would compute wrongly is refused with key and value', () => {
  test.each([
    [{ hidden_act: 'relu' }, '"hidden_act": "relu" must be one of quick_gelu, gelu'],
    [{ model_type: 't5' }, '"model_type": "t5" must be one of'],
    [{ num_attention_heads: 5 }, '"num_attention_heads": 5 must divide hidden_size 32'],
    [{ use_attention_mask: true }, '"use_attention_mask": true only false is supported'],
    [{ quantization_config: { bits: 4 } }, '"quantization_config": {"bits":4} is not supported'],
  ])('%j', (change, message) => {
    expect(() => parseClipTextConfig({ ...SMALL_TEXT, ...change }, 'text_encoder/config.json')).toThrow(
      `text_encoder/config.json: ${message}`,
    );
  });
});
