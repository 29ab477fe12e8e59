/**
 * DDPM: ancestral sampling from the posterior given the predicted clean sample (Ho et al. 2020, equations 6 and 7),
 * over any subset of the timesteps. The variance is that of the posterior ("fixed_small"), whatever the file says.
 */
import type { NoiseScheduleConfig } from '../noise-schedule.ts';
import { signalTable } from '../noise-tables.ts';
import { cleanSample, predictionType } from '../prediction.ts';
import { spacedTimesteps } from '../timesteps.ts';
import type { TorchRandom } from '../torch-random.ts';
import { clipClean } from './clip-clean.ts';
import type { NoiseLevel, Run } from './sampler.ts';
import { skippedSteps } from './strength.ts';
import { TimestepWalk, levelOfSignal } from './timestep-walk.ts';
import { applyMix, weightedSum, type Term } from './weighted-sum.ts';

const DEFAULTS = { timestepSpacing: 'leading', clipSample: true } as const;
/** diffusers' floor, which keeps the last step's noise at nothing one can see. */
const LEAST_VARIANCE = 1e-20;

export class DdpmSampler extends TimestepWalk {
  readonly #config: NoiseScheduleConfig;
  readonly #alphas: Float32Array;

  constructor(config: NoiseScheduleConfig, run: Run) {
    const spacing = { family: 'discrete', defaultSpacing: DEFAULTS.timestepSpacing } as const;
    super(spacedTimesteps(config, run.steps, spacing).slice(skippedSteps(run)));
    this.#config = config;
    this.#alphas = signalTable(config);
  }

  level(call: number): NoiseLevel {
    return levelOfSignal(this.#alphas[this.timestep(call)]!);
  }

  /** Draws on every call but one at timestep 0, which adds no noise. */
  step(call: number, latents: Float32Array, modelOutput: Float32Array, random: TorchRandom): Float32Array {
    const signal = this.#alphas[this.timestep(call)]!;
    const next = this.timesteps[call + 1];
    const previous = next === undefined ? 1 : this.#alphas[next]!;
    const alpha = signal / previous;
    const beta = 1 - alpha;

    const mix = cleanSample(predictionType(this.#config), Math.sqrt(signal), Math.sqrt(1 - signal));
    const clean = clipClean(this.#config, applyMix(mix, latents, modelOutput), DEFAULTS.clipSample);
    const mean: Term[] = [
      [(Math.sqrt(previous) * beta) / (1 - signal), clean],
      [(Math.sqrt(alpha) * (1 - previous)) / (1 - signal), latents],
    ];
    if (this.timestep(call) === 0) return weightedSum(...mean);
    const variance = Math.max(((1 - previous) / (1 - signal)) * beta, LEAST_VARIANCE);
    return weightedSum(...mean, [Math.sqrt(variance), random.randn(latents.length)]);
  }
}
