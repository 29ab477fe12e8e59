import { expect, test } from 'vitest';
import { parseUnetConfig } from '../../workers/render/onnx/unet-config.ts';
import { peakChannels } from '../../workers/render/onnx/unet-memory.ts';
import { SD1_UNET, SD2_UNET, X4_UNET } from '../support/stable-diffusion.ts';

test.each([
  // Two skip connections of 320 wait while the topmost transformer computes.
  ['Stable Diffusion 1', SD1_UNET, 2 * 320 + 18 * 320],
  ['Stable Diffusion 2', SD2_UNET, 2 * 320 + 18 * 320],
  // No transformer at the top: the level below, with a quarter of the cells, is the fullest.
  ['the x4 upscaler', X4_UNET, 3 * 256 + (256 + 512 + 18 * 512) / 4],
])('the UNet of %s holds as many channels at its fullest moment', (_, config, channels) => {
  expect(peakChannels(parseUnetConfig(config, 'unet/config.json'))).toBe(channels);
});
