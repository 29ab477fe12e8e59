/**
 * Which models may be in memory at once: the arithmetic of the budget. "Memory" is the device's: VRAM, or on a CPU the
 * machine's.
 */
import { formatByteSize } from './byte-size.ts';
import type { Device } from './batch-limits.ts';

/**
 * Of the device's memory, by default. A CPU's is also that of the farm's other processes, of a queue and of images
 * under way; on a GPU the rest is for batches.
 */
const DEFAULT_SHARE: Readonly<Record<Device, number>> = { cpu: 0.6, cuda: 0.85 };

/**
 * Beside the weights, room for the work of one sample is kept free, but no more than this share of the budget: a small
 * model at a large size needs more for its work than for its weights, and would push out every other.
 */
const LARGEST_WORK_SHARE = 1 / 20;

/**
 * The engine process itself takes some 60 MB. It counts, unless the budget is so small that little would be left:
 * such budgets are for models alone.
 */
const LARGEST_OWN_SHARE = 1 / 4;

/** What the process may really hold, as a share of the budget, before a model has to go: allocators round up. */
const PRIVATE_SHARE = 1.1;

/** Of free memory, for each byte that is to be allocated: loading and computing take some more than the weights. */
const FREE_PER_BYTE = 1.5;

export interface MemoryBudget {
  /** Bytes. */
  readonly total: number;
  /** Private memory of the process before it held any model; 0 on a GPU, which holds nothing of the process. */
  readonly own: number;
}

export interface MemoryUse {
  /** Of all models in memory and the one to come, components that they share counted once. */
  readonly claimedBytes: number;
  /** What loading the rest of these takes at its height. */
  readonly bytesToCome: number;
  /** That the model to come needs for one sample. */
  readonly workBytes: number;
  /** Held by the process now. */
  readonly privateBytes: number;
  /** Free on the device now. */
  readonly freeBytes: number;
}

/** @param configured KILN_VRAM_BUDGET; null derives it from all memory that the device has */
export function budgetBytes(configured: number | null, device: Device, totalBytes: number): number {
  return configured ?? Math.floor(totalBytes * DEFAULT_SHARE[device]);
}

/** Why a worker with this budget refuses a model, or models that must be in memory together; null when it does not. */
export function refusalOf(memoryBytes: number, budget: number): string | null {
  if (memoryBytes <= budget) return null;
  return `it needs ${formatByteSize(memoryBytes)} of memory, more than the budget of ${formatByteSize(budget)} (KILN_VRAM_BUDGET)`;
}

/** Whether the model to come fits beside those that are there. */
export function fits(use: MemoryUse, budget: MemoryBudget): boolean {
  const reserved = Math.min(use.workBytes, budget.total * LARGEST_WORK_SHARE);
  return (
    use.claimedBytes + reserved <= budget.total - countedOwn(budget) &&
    use.privateBytes + use.bytesToCome <= mostPrivate(budget) &&
    use.freeBytes >= use.bytesToCome * FREE_PER_BYTE
  );
}

/** Bytes left for the work of batches. */
export function roomForWork(use: Omit<MemoryUse, 'workBytes'>, budget: MemoryBudget): number {
  const left = Math.min(
    budget.total - countedOwn(budget) - use.claimedBytes,
    mostPrivate(budget) - use.privateBytes,
    use.freeBytes,
  );
  return Math.max(0, left);
}

function mostPrivate(budget: MemoryBudget): number {
  return isOwnCounted(budget) ? budget.total * PRIVATE_SHARE : Number.POSITIVE_INFINITY;
}

function countedOwn(budget: MemoryBudget): number {
  return isOwnCounted(budget) ? budget.own : 0;
}

function isOwnCounted({ total, own }: MemoryBudget): boolean {
  return own <= total * LARGEST_OWN_SHARE;
}
