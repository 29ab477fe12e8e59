import type { NoiseScheduleConfig } from '../noise-schedule.ts';

const DEFAULT_RANGE = 1;

/** The predicted clean sample, clamped if the file says so or is silent and the sampler's class clamps by default. */
export function clipClean(
  config: NoiseScheduleConfig,
  clean: Float32Array,
  byDefault: boolean,
): Float32Array {
  if (!(config.clipSample ?? byDefault)) return clean;
  const range = config.clipSampleRange ?? DEFAULT_RANGE;
  return clean.map((value) => Math.min(Math.max(value, -range), range));
}
