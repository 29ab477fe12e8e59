/** DPM-Solver++ 2M, the second-order multistep solver with midpoint corrections (Lu et al. 2022, algorithm 2). */
import type { NoiseScheduleConfig, PredictionType } from '../noise-schedule.ts';
import { cleanSample, predictionType } from '../prediction.ts';
import { interpolate, karrasSigmas, modelSigmas, timestepOfSigma } from '../sigmas.ts';
import { roundHalfEven, spacedTimesteps } from '../timesteps.ts';
import type { Sampler } from './sampler.ts';
import { applyMix, weightedSum } from './weighted-sum.ts';

const DEFAULT_SPACING = 'linspace';

/** One noise level in variance-preserving terms: alpha^2 + sigma^2 = 1. */
interface Level {
  readonly alpha: number;
  readonly sigma: number;
  /** Half the logarithm of the signal-to-noise ratio: the solver's time. Infinite where no noise is left. */
  readonly lambda: number;
}

export class Dpmpp2mSampler implements Sampler {
  readonly calls: number;
  readonly initNoiseSigma = 1;
  readonly #type: PredictionType;
  readonly #timesteps: readonly number[];
  /** `[N + 1]`; the last one is free of noise. */
  readonly #levels: readonly Level[];
  /** The clean sample predicted by the previous call. */
  #previousClean: Float32Array | null = null;

  /** `karras`: sigmas spaced as in Karras et al. 2022 instead of by timestep. */
  constructor(config: NoiseScheduleConfig, steps: number, karras: boolean) {
    this.#type = predictionType(config);
    const table = modelSigmas(config);
    const spaced = spacedTimesteps(config, steps, { family: 'interval', defaultSpacing: DEFAULT_SPACING });
    const sigmas = karras
      ? karrasSigmas({ lowest: table[0]!, highest: table.at(-1)! }, steps)
      : spaced.map((timestep) => interpolate(table, timestep));
    this.#timesteps = karras ? sigmas.map((sigma) => roundHalfEven(timestepOfSigma(table, sigma))) : spaced;
    this.#levels = [...sigmas, 0].map((sigma) => level(Math.fround(sigma)));
    this.calls = steps;
  }

  timestep(call: number): number {
    return this.#timesteps[call]!;
  }

  inputScale(): number {
    return 1;
  }

  /** First order on the first call, which has no history, and on the last, whose interval is infinite. */
  step(call: number, latents: Float32Array, modelOutput: Float32Array): Float32Array {
    const from = this.#levels[call]!;
    const to = this.#levels[call + 1]!;
    const clean = applyMix(cleanSample(this.#type, from.alpha, from.sigma), latents, modelOutput);
    const before = this.#previousClean;
    this.#previousClean = clean;

    const interval = to.lambda - from.lambda;
    const kept = to.sigma / from.sigma;
    const gained = -to.alpha * Math.expm1(-interval);
    if (before === null || to.sigma === 0) return weightedSum([kept, latents], [gained, clean]);
    const ratio = (from.lambda - this.#levels[call - 1]!.lambda) / interval;
    const slope = gained / (2 * ratio);
    return weightedSum([kept, latents], [gained + slope, clean], [-slope, before]);
  }
}

function level(noiseToSignal: number): Level {
  const alpha = 1 / Math.sqrt(noiseToSignal ** 2 + 1);
  return { alpha, sigma: noiseToSignal * alpha, lambda: -Math.log(noiseToSignal) };
}
