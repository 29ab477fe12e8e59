/** max_batch_size per lane: configured, or derived from what is left of memory once the lane's model is loaded. */
import {
  defaultMaxBatchSize,
  lackOfMemory,
  maxBatchSizeCap,
  type Device,
} from '../../../src/domain/batch-limits.ts';
import type { PickLimits } from '../../../src/domain/pick-batch.ts';

export interface LaneShape {
  /** That a row of the UNet holds at the fullest moment of a call. */
  readonly peakChannels: number;
  readonly latentHeight: number;
  readonly latentWidth: number;
}

export interface BatchSizesOptions {
  /** 0 derives every lane's size. */
  readonly configured: number;
  readonly device: Device;
  /** What the budget leaves for the work of batches. */
  readonly freeBytes: () => Promise<number>;
  /** What the device really has left. */
  readonly deviceFreeBytes: () => Promise<number>;
  /** Another number whenever models have come or gone: then sizes are derived anew. */
  readonly epoch?: () => number;
}

/** Latents of all kinds but the upscaler's larger half: asking a device for its memory is not free. */
const ALWAYS_TRIED_CELLS = 256 * 256;

export class BatchSizes implements PickLimits {
  readonly #options: BatchSizesOptions;
  readonly #derived = new Map<string, { readonly size: number; readonly epoch: number }>();
  /** Lanes in which a larger batch ran out of memory. */
  readonly #caps = new Map<string, number>();

  constructor(options: BatchSizesOptions) {
    this.#options = options;
  }

  maxBatchSize(lane: string): number {
    const { configured, device } = this.#options;
    const size = this.#derived.get(lane)?.size ?? (configured > 0 ? configured : maxBatchSizeCap(device));
    return Math.min(size, this.#caps.get(lane) ?? size);
  }

  /** To be called with the lane's model loaded, before a step. */
  async measure(lane: string, shape: LaneShape): Promise<void> {
    const { configured, device, freeBytes } = this.#options;
    const epoch = this.#options.epoch?.() ?? 0;
    if (configured > 0 || this.#derived.get(lane)?.epoch === epoch) return;
    const size = defaultMaxBatchSize({ device, freeBytes: await freeBytes(), ...shape });
    this.#derived.set(lane, { size, epoch });
  }

  /** Rejects, as out of memory, when not even one row of the shape can be computed. Common sizes are not looked at. */
  async requireRoom(shape: LaneShape): Promise<void> {
    const cells = shape.latentHeight * shape.latentWidth;
    if (cells <= ALWAYS_TRIED_CELLS) return;
    const { device, deviceFreeBytes } = this.#options;
    const lack = lackOfMemory({ device, freeBytes: await deviceFreeBytes(), ...shape });
    if (lack !== null) throw new Error(`out of memory: ${lack}`);
  }

  /** A batch of this many did not fit: half of it may. The lane keeps the smaller size. */
  halve(lane: string, tooMany: number): void {
    this.#caps.set(lane, Math.max(1, Math.floor(tooMany / 2)));
  }
}
