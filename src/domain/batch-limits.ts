/**
 * The default max_batch_size: as many samples as fit into free memory, within a cap above which more company no
 * longer pays.
 *
 * What a UNet call needs beyond its weights grows with rows x latent cells x the channels alive at its fullest moment.
 * What onnxruntime holds for one row, against these channels as the architecture gives them:
 *
 * | | channels | CPU, fp32, without its arena | CUDA, fp16 |
 * |---|---|---|---|
 * | Stable Diffusion 2.1 | 6,400 | 1.5 times | 5.5 times, with its arena and the convolutions' workspace |
 * | its x4 upscaler | 3,264 | 0.7 to 1.1 times | not measured |
 */
import { formatByteSize } from './byte-size.ts';

export type Device = 'cpu' | 'cuda';

interface DeviceCost {
  /** What is held, over what the architecture's maps alone would take. */
  readonly overhead: number;
  readonly bytesPerValue: number;
  readonly cap: number;
}

/** On CPU a batch of 8 costs 0.78 of eight single calls and more brings nothing; on a GPU gains end near 32. */
const COST: Readonly<Record<Device, DeviceCost>> = {
  cpu: { overhead: 2, bytesPerValue: 4, cap: 8 },
  cuda: { overhead: 6.4, bytesPerValue: 2, cap: 32 },
};

/** With guidance a sample takes an unconditional and a conditional row. */
const ROWS_PER_SAMPLE = 2;

/** The rest is for weights that are still to load, the VAE's decoder and everything else on the machine. */
const SHARE_OF_FREE_MEMORY = 0.5;

export interface SampleShape {
  readonly device: Device;
  /** That a row of the UNet holds at the fullest moment of a call, counted at full latent size. */
  readonly peakChannels: number;
  readonly latentHeight: number;
  readonly latentWidth: number;
}

export interface BatchMemory extends SampleShape {
  /** Free memory of the device, with the model's weights already loaded. */
  readonly freeBytes: number;
}

/** What one sample takes during a UNet call, beyond the weights. */
export function sampleBytes({ device, peakChannels, latentHeight, latentWidth }: SampleShape): number {
  const { overhead, bytesPerValue } = COST[device];
  return ROWS_PER_SAMPLE * overhead * peakChannels * latentHeight * latentWidth * bytesPerValue;
}

/** Samples, 1 or more: a sample that does not fit alone fails with a clear reason when it runs. */
export function defaultMaxBatchSize(memory: BatchMemory): number {
  const fitting = Math.floor((memory.freeBytes * SHARE_OF_FREE_MEMORY) / sampleBytes(memory));
  return Math.max(1, Math.min(COST[memory.device].cap, fitting));
}

/** The least that was ever seen held, over what the maps alone would take. */
const LEAST_OVERHEAD = 0.7;

/** Why not even one row can be computed; null when it may. A system without memory kills the process, and says nothing. */
export function lackOfMemory({ freeBytes, ...shape }: BatchMemory): string | null {
  const { overhead } = COST[shape.device];
  const bytes = (sampleBytes(shape) * LEAST_OVERHEAD) / (ROWS_PER_SAMPLE * overhead);
  if (bytes <= freeBytes) return null;
  return `a picture of this size needs ${formatByteSize(bytes)} beside its model, and ${formatByteSize(freeBytes)} are free`;
}

/** The most samples that one call of a device is given by default, whatever its memory. */
export function maxBatchSizeCap(device: Device): number {
  return COST[device].cap;
}
