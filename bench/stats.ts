/** The few statistics a bench prints. All take unsorted samples and refuse an empty list. */

/** Nearest-rank percentile: a value that was really measured, never an interpolation. */
export function percentile(samples: readonly number[], percent: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)];
  if (value === undefined) throw new Error(`no samples to take percentile ${percent} of`);
  return value;
}

export function median(samples: readonly number[]): number {
  return percentile(samples, 50);
}

export function mean(samples: readonly number[]): number {
  if (samples.length === 0) throw new Error('no samples to take the mean of');
  return samples.reduce((sum, sample) => sum + sample, 0) / samples.length;
}
