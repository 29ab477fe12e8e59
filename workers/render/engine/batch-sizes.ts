/** max_batch_size per lane: configured, or derived from free memory once the lane's model is loaded. */
import { defaultMaxBatchSize, maxBatchSizeCap, type Device } from '../../../src/domain/batch-limits.ts';
import type { PickLimits } from '../../../src/domain/pick-batch.ts';

export interface LaneShape {
  /** Width of the UNet's first block. */
  readonly channels: number;
  readonly latentHeight: number;
  readonly latentWidth: number;
}

export class BatchSizes implements PickLimits {
  readonly #configured: number;
  readonly #device: Device;
  readonly #freeBytes: () => Promise<number>;
  readonly #sizes = new Map<string, number>();

  /** `configured` 0 derives every lane's size; `freeBytes` is asked once a lane. */
  constructor(options: { configured: number; device: Device; freeBytes: () => Promise<number> }) {
    this.#configured = options.configured;
    this.#device = options.device;
    this.#freeBytes = options.freeBytes;
  }

  maxBatchSize(lane: string): number {
    return this.#sizes.get(lane) ?? this.#unmeasured();
  }

  /** To be called with the lane's model loaded, before its first step. */
  async measure(lane: string, shape: LaneShape): Promise<void> {
    if (this.#sizes.has(lane)) return;
    const { channels, latentHeight, latentWidth } = shape;
    const size =
      this.#configured > 0
        ? this.#configured
        : defaultMaxBatchSize({
            device: this.#device,
            freeBytes: await this.#freeBytes(),
            channels,
            latentHeight,
            latentWidth,
          });
    this.#sizes.set(lane, size);
  }

  /** A batch of this many did not fit: half of it may. The lane keeps the smaller size. */
  halve(lane: string, tooMany: number): void {
    this.#sizes.set(lane, Math.max(1, Math.floor(tooMany / 2)));
  }

  #unmeasured(): number {
    return this.#configured > 0 ? this.#configured : maxBatchSizeCap(this.#device);
  }
}
