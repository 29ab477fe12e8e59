/** Noise levels as sigma, the noise per unit of signal (Karras et al. 2022). */
import type { NoiseScheduleConfig } from './noise-schedule.ts';
import { sigmaTable, signalTable } from './noise-tables.ts';
import { linspace } from './timesteps.ts';

/** Stands for a signal of 0 at the last timestep, where sigma would be infinite: sigma is then about 4096. */
const LEAST_SIGNAL = 2 ** -24;
/** The curvature of the Karras spacing (equation 5). */
const RHO = 7;

/** `[T]`, ascending, finite also for a schedule that ends in pure noise. */
export function modelSigmas(config: NoiseScheduleConfig): Float32Array {
  const signal = signalTable(config);
  if (signal.at(-1) === 0) signal[signal.length - 1] = LEAST_SIGNAL;
  return sigmaTable(signal);
}

/** The table's value at a timestep that may have a fraction. */
export function interpolate(table: Float32Array, timestep: number): number {
  const low = Math.floor(timestep);
  const lower = table[low]!;
  const fraction = timestep - low;
  return fraction === 0 ? lower : lower + fraction * (table[low + 1]! - lower);
}

/** `[steps]`, descending from the highest to the lowest. */
export function karrasSigmas(range: { lowest: number; highest: number }, steps: number): number[] {
  const from = range.highest ** (1 / RHO);
  const to = range.lowest ** (1 / RHO);
  return linspace(0, 1, steps).map((part) => (from + part * (to - from)) ** RHO);
}

/** The inverse of `interpolate` over an ascending table, linear in log sigma. */
export function timestepOfSigma(table: Float32Array, sigma: number): number {
  const above = table.findIndex((entry) => entry > sigma);
  const low = Math.min(Math.max((above === -1 ? table.length : above) - 1, 0), table.length - 2);
  const from = Math.log(table[low]!);
  const fraction = (Math.log(sigma) - from) / (Math.log(table[low + 1]!) - from);
  return low + Math.min(Math.max(fraction, 0), 1);
}
