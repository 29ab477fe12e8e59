/**
 * Which samples ride in the next UNet call: the heart of continuous batching.
 *
 * Every sample is due at `arrivedAt + PATIENCE_MS[priority]`. The sample that is due first is the head; the batch
 * is the head and, in the order they are due, others of its lane (one model at one size: only such rows fit into
 * one UNet call) until the lane's max_batch_size is reached.
 *
 * The order never changes while a sample waits, and that is the whole proof of fairness:
 *  - a sample is held up only by samples due before it, and nothing that arrives later than a sample's due time can
 *    come before it. So bulk ages past interactive work, and a quiet lane past a busy one, after a bounded time;
 *  - inside one class it is first come, first served, across all lanes; the head runs at every step until it is
 *    done, so a lane keeps its turn to the end of its head and lanes do not thrash;
 *  - an interactive newcomer takes the place of a bulk sample at the very next step. The one set aside keeps its
 *    latents and goes on later; nothing is computed twice.
 *
 * A solo sample (an engine died while it was aboard) is suspect: it runs alone, so that it harms nobody else.
 */
import type { Priority } from './job.ts';

/** How long a sample of each class lets newer interactive ones go first, in milliseconds. */
export const PATIENCE_MS: Readonly<Record<Priority, number>> = {
  interactive: 0,
  normal: 10_000,
  bulk: 60_000,
};

export interface WaitingSample {
  readonly id: string;
  readonly lane: string;
  readonly priority: Priority;
  /** When the engine took it in, milliseconds of a monotonic clock. */
  readonly arrivedAt: number;
  readonly solo: boolean;
}

export interface PickLimits {
  /** Samples, at least 1. */
  maxBatchSize(lane: string): number;
}

/** The samples of the next UNet call, first due first; empty only when there are none. Ties keep the given order. */
export function pickBatch<Sample extends WaitingSample>(
  samples: readonly Sample[],
  limits: PickLimits,
): Sample[] {
  const [head, ...others] = samples.toSorted((a, b) => dueAt(a) - dueAt(b));
  if (head === undefined) return [];
  if (head.solo) return [head];
  const company = others.filter((sample) => sample.lane === head.lane && !sample.solo);
  return [head, ...company.slice(0, limits.maxBatchSize(head.lane) - 1)];
}

export function dueAt(sample: Pick<WaitingSample, 'arrivedAt' | 'priority'>): number {
  return sample.arrivedAt + PATIENCE_MS[sample.priority];
}
