/**
 * The default max_batch_size: as many samples as fit into free memory, within a cap above which more company no
 * longer pays.
 *
 * What a UNet call needs beyond its weights grows with rows x latent cells x width of its first block. Measured on
 * Stable Diffusion 2.1 (320 channels) at 512 px: onnxruntime on CPU, fp32, memory-efficient attention holds 381 MB
 * for two rows, which is about 36 maps of `channels x h x w` a row; CUDA in fp16 holds 4 to 5 GB for 16 rows, about
 * 110 maps (the convolution workspace and the arena, which grows by powers of two, are in it).
 */
export type Device = 'cpu' | 'cuda';

interface DeviceCost {
  readonly mapsPerRow: number;
  readonly bytesPerValue: number;
  readonly cap: number;
}

/** On CPU a batch of 8 costs 0.78 of eight single calls and more brings nothing; on a GPU gains end near 32. */
const COST: Readonly<Record<Device, DeviceCost>> = {
  cpu: { mapsPerRow: 64, bytesPerValue: 4, cap: 8 },
  cuda: { mapsPerRow: 128, bytesPerValue: 2, cap: 32 },
};

/** With guidance a sample takes an unconditional and a conditional row. */
const ROWS_PER_SAMPLE = 2;

/** The rest is for weights that are still to load, the VAE's decoder and everything else on the machine. */
const SHARE_OF_FREE_MEMORY = 0.5;

export interface SampleShape {
  readonly device: Device;
  /** `block_out_channels[0]` of the UNet's config. */
  readonly channels: number;
  readonly latentHeight: number;
  readonly latentWidth: number;
}

export interface BatchMemory extends SampleShape {
  /** Free memory of the device, with the model's weights already loaded. */
  readonly freeBytes: number;
}

/** What one sample takes during a UNet call, beyond the weights. */
export function sampleBytes({ device, channels, latentHeight, latentWidth }: SampleShape): number {
  const { mapsPerRow, bytesPerValue } = COST[device];
  return ROWS_PER_SAMPLE * mapsPerRow * channels * latentHeight * latentWidth * bytesPerValue;
}

/** Samples, 1 or more: a sample that does not fit alone fails with a clear reason when it runs. */
export function defaultMaxBatchSize(memory: BatchMemory): number {
  const fitting = Math.floor((memory.freeBytes * SHARE_OF_FREE_MEMORY) / sampleBytes(memory));
  return Math.max(1, Math.min(COST[memory.device].cap, fitting));
}

/** The most samples that one call of a device is given by default, whatever its memory. */
export function maxBatchSizeCap(device: Device): number {
  return COST[device].cap;
}
