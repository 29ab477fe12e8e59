/** DDIM (Song et al. 2021, equation 12), with as much noise as eta says. Remembers nothing between calls. */
import type { NoiseScheduleConfig } from '../noise-schedule.ts';
import { signalTable, trainTimesteps } from '../noise-tables.ts';
import { cleanSample, noise, predictionType } from '../prediction.ts';
import { spacedTimesteps } from '../timesteps.ts';
import type { TorchRandom } from '../torch-random.ts';
import { clipClean } from './clip-clean.ts';
import type { NoiseLevel, Run } from './sampler.ts';
import { skippedSteps } from './strength.ts';
import { TimestepWalk, levelOfSignal } from './timestep-walk.ts';
import { applyMix, weightedSum, type Term } from './weighted-sum.ts';

const DEFAULTS = {
  timestepSpacing: 'leading',
  setAlphaToOne: true,
  clipSample: true,
} as const;

export class DdimSampler extends TimestepWalk {
  readonly #config: NoiseScheduleConfig;
  readonly #alphas: Float32Array;
  /** Each call goes down by this much, whatever the spacing of the timesteps. */
  readonly #stride: number;
  /** The share of signal that the last call ends at. */
  readonly #finalAlpha: number;
  readonly #eta: number;

  constructor(config: NoiseScheduleConfig, run: Run) {
    const spacing = { family: 'discrete', defaultSpacing: DEFAULTS.timestepSpacing } as const;
    super(spacedTimesteps(config, run.steps, spacing).slice(skippedSteps(run)));
    this.#config = config;
    this.#alphas = signalTable(config);
    this.#stride = Math.trunc(trainTimesteps(config) / run.steps);
    this.#finalAlpha = (config.setAlphaToOne ?? DEFAULTS.setAlphaToOne) ? 1 : this.#alphas[0]!;
    this.#eta = run.eta;
  }

  level(call: number): NoiseLevel {
    return levelOfSignal(this.#alphas[this.timestep(call)]!);
  }

  /** Draws on every call when eta is above 0, the last included, whose noise may have no weight. */
  step(call: number, latents: Float32Array, modelOutput: Float32Array, random: TorchRandom): Float32Array {
    const type = predictionType(this.#config);
    const timestep = this.timestep(call);
    const signal = this.#alphas[timestep]!;
    const previous = this.#alphas[timestep - this.#stride] ?? this.#finalAlpha;
    const { alpha, sigma } = levelOfSignal(signal);
    const clean = applyMix(cleanSample(type, alpha, sigma), latents, modelOutput);
    const clipped = clipClean(this.#config, clean, DEFAULTS.clipSample);
    const noisy = applyMix(noise(type, alpha, sigma), latents, modelOutput);

    const variance = this.#eta ** 2 * posteriorVariance(signal, previous);
    const terms: Term[] = [
      [Math.sqrt(previous), clipped],
      // From pure noise with eta 1 nothing is left; a rounding error must not make it negative.
      [Math.sqrt(Math.max(1 - previous - variance, 0)), noisy],
    ];
    if (this.#eta > 0) terms.push([Math.sqrt(variance), random.randn(latents.length)]);
    return weightedSum(...terms);
  }
}

/** What eta = 1 adds: the variance of the posterior of DDPM (equation 16). */
function posteriorVariance(signal: number, previous: number): number {
  return ((1 - previous) / (1 - signal)) * (1 - signal / previous);
}
