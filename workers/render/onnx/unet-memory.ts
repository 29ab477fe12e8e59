/** What a UNet holds during a call, from its config: the basis of max_batch_size and of the room that a job needs. */
import type { UnetBlock, UnetConfig } from './unet-config.ts';

/** A group norm's input, its result and the result scaled, all alive at once. */
const MAPS_OF_A_NORM = 3;
/** Of a block's channels: GEGLU's projection to 8 and its two halves, beside the block's input and the tokens. */
const MAPS_OF_A_TRANSFORMER = 18;

/**
 * The most that one row's maps hold at any moment of a call, in channels of full latent size: times the cells of the
 * latents, times the bytes of a value, it is memory. Deeper levels count for less, as their maps have a quarter of the
 * cells each time; skip connections count from where they leave to where they join.
 */
export function peakChannels(config: UnetConfig): number {
  const share = (level: number): number => 4 ** -level;
  const skips = [config.down[0]!.channels];
  const held = (): number => skips.reduce((sum, channels) => sum + channels, 0);
  let peak = held();
  const visit = (block: UnetBlock, input: number, level: number): void => {
    peak = Math.max(peak, held() + widest(block, input) * share(level));
  };

  let channels = config.down[0]!.channels;
  for (const [level, block] of config.down.entries()) {
    for (let j = 0; j < block.resnets; j++) {
      visit(block, channels, level);
      channels = block.channels;
      skips.push(channels * share(level));
    }
    if (level < config.down.length - 1) skips.push(channels * share(level + 1));
  }
  const deepest = config.down.length - 1;
  visit(config.mid, channels, deepest);
  for (const [i, block] of config.up.entries()) {
    const level = deepest - i;
    for (let j = 0; j < block.resnets; j++) {
      const skip = (skips.pop() ?? 0) / share(level);
      visit(block, channels + skip, level);
      channels = block.channels;
    }
  }
  return Math.ceil(peak);
}

/** Of a resnet that takes `input` channels, and the transformer after it. */
function widest({ channels, transformer }: UnetBlock, input: number): number {
  const resnet = Math.max(MAPS_OF_A_NORM * input, input + MAPS_OF_A_NORM * channels);
  return transformer === undefined ? resnet : Math.max(resnet, MAPS_OF_A_TRANSFORMER * channels);
}
