/**
 * Betas and the cumulative product of alphas ("alpha bar"), one value per training timestep, in the float32
 * arithmetic of PyTorch: the tables are equal to diffusers' bit for bit.
 */
import type { BetaSchedule, NoiseScheduleConfig } from './noise-schedule.ts';

const f = Math.fround;

/** The defaults of all samplers' classes but that of LCM. */
const DEFAULTS = {
  numTrainTimesteps: 1000,
  betaStart: 0.0001,
  betaEnd: 0.02,
  betaSchedule: 'linear',
} as const;

export function trainTimesteps(config: NoiseScheduleConfig): number {
  return config.trainedBetas?.length ?? config.numTrainTimesteps ?? DEFAULTS.numTrainTimesteps;
}

/** `[T]`: the signal's share of the variance at each timestep (Ho et al. 2020). */
export function alphasCumprod(config: NoiseScheduleConfig): Float32Array {
  return cumulativeProduct(betas(config).map((beta) => 1 - beta));
}

/**
 * The same with a terminal signal-to-noise ratio of zero (Lin et al. 2023, algorithm 1). diffusers rebuilds the
 * betas on the way, and the roundings of that round trip are part of its tables.
 */
export function zeroTerminalSnr(table: Float32Array): Float32Array {
  const roots = table.map(Math.sqrt);
  const first = roots[0]!;
  const last = roots.at(-1)!;
  const scale = f(first / f(first - last));
  const shifted = roots.map((root) => f(f(root - last) * scale) ** 2);
  const alphas = shifted.map((value, t) => (t === 0 ? value : value / shifted[t - 1]!));
  return cumulativeProduct(alphas.map((alpha) => 1 - f(1 - alpha)));
}

/** `[T]`: the signal's share of the variance, with the rescale if the file asks for it; the last may then be 0. */
export function signalTable(config: NoiseScheduleConfig): Float32Array {
  const table = alphasCumprod(config);
  return config.rescaleBetasZeroSnr === true ? zeroTerminalSnr(table) : table;
}

/** `[T]`: noise per unit of signal at each timestep (Karras et al. 2022). */
export function sigmaTable(alphas: Float32Array): Float32Array {
  return alphas.map((alpha) => Math.sqrt(f(f(1 - alpha) / alpha)));
}

function betas(config: NoiseScheduleConfig): Float32Array {
  if (config.trainedBetas !== null) return Float32Array.from(config.trainedBetas);
  const count = trainTimesteps(config);
  const start = config.betaStart ?? DEFAULTS.betaStart;
  const end = config.betaEnd ?? DEFAULTS.betaEnd;
  const schedule: BetaSchedule = config.betaSchedule ?? DEFAULTS.betaSchedule;
  switch (schedule) {
    case 'linear':
      return linspace32(start, end, count);
    case 'scaled_linear':
      return linspace32(Math.sqrt(start), Math.sqrt(end), count).map((root) => root ** 2);
    case 'squaredcos_cap_v2':
      return Float32Array.from({ length: count }, (_, t) =>
        Math.min(1 - cosineSignal((t + 1) / count) / cosineSignal(t / count), 0.999),
      );
  }
}

/** `torch.linspace` in float32: it counts from the nearer end, with one rounding per value. */
function linspace32(from: number, to: number, count: number): Float32Array {
  const start = f(from);
  const end = f(to);
  const step = f(f(end - start) / (count - 1));
  const half = Math.trunc(count / 2);
  return Float32Array.from({ length: count }, (_, i) =>
    i < half ? start + step * i : end - step * (count - 1 - i),
  );
}

/** Nichol & Dhariwal 2021, equation 17. */
function cosineSignal(time: number): number {
  return Math.cos((((time + 0.008) / 1.008) * Math.PI) / 2) ** 2;
}

/** The running product is kept in double precision, each entry rounded once, as in `torch.cumprod`. */
function cumulativeProduct(factors: Float32Array): Float32Array {
  let product = 1;
  return factors.map((factor) => (product *= factor));
}
