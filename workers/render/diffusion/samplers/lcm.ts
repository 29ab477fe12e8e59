/**
 * Multistep consistency sampling for latent consistency models (Luo et al. 2023, algorithm 3): each call jumps to a
 * clean sample, and all calls but the last noise it again to the next timestep.
 */
import type { NoiseScheduleConfig } from '../noise-schedule.ts';
import { signalTable, trainTimesteps } from '../noise-tables.ts';
import { cleanSample, predictionType } from '../prediction.ts';
import type { TorchRandom } from '../torch-random.ts';
import { clipClean } from './clip-clean.ts';
import type { NoiseLevel, Run } from './sampler.ts';
import { skippedSteps } from './strength.ts';
import { TimestepWalk, levelOfSignal } from './timestep-walk.ts';
import { applyMix, weightedSum } from './weighted-sum.ts';

/** Unlike all other classes, that of LCM takes Stable Diffusion's betas where a file is silent. */
const DEFAULTS = {
  betaStart: 0.00085,
  betaEnd: 0.012,
  betaSchedule: 'scaled_linear',
  clipSample: false,
  originalInferenceSteps: 50,
  timestepScaling: 10,
} as const;
/** The standard deviation of the data in the boundary condition (Song et al. 2023, appendix C). */
const DATA_DEVIATION = 0.5;

export class LcmSampler extends TimestepWalk {
  readonly #config: NoiseScheduleConfig;
  readonly #alphas: Float32Array;

  constructor(config: NoiseScheduleConfig, run: Run) {
    super(distilledTimesteps(config, run.steps).slice(skippedSteps(run)));
    this.#config = config;
    this.#alphas = signalTable({
      ...config,
      betaStart: config.betaStart ?? DEFAULTS.betaStart,
      betaEnd: config.betaEnd ?? DEFAULTS.betaEnd,
      betaSchedule: config.betaSchedule ?? DEFAULTS.betaSchedule,
    });
  }

  level(call: number): NoiseLevel {
    return levelOfSignal(this.#alphas[this.timestep(call)]!);
  }

  step(call: number, latents: Float32Array, modelOutput: Float32Array, random: TorchRandom): Float32Array {
    const timestep = this.timestep(call);
    const signal = this.#alphas[timestep]!;
    const mix = cleanSample(predictionType(this.#config), Math.sqrt(signal), Math.sqrt(1 - signal));
    const clean = clipClean(this.#config, applyMix(mix, latents, modelOutput), DEFAULTS.clipSample);

    // The boundary condition: at timestep 0 the latents pass through untouched.
    const scaled = timestep * (this.#config.timestepScaling ?? DEFAULTS.timestepScaling);
    const norm = scaled ** 2 + DATA_DEVIATION ** 2;
    const jumped = weightedSum([scaled / Math.sqrt(norm), clean], [DATA_DEVIATION ** 2 / norm, latents]);

    const next = this.timesteps[call + 1];
    if (next === undefined) return jumped;
    const kept = this.#alphas[next]!;
    return weightedSum([Math.sqrt(kept), jumped], [Math.sqrt(1 - kept), random.randn(latents.length)]);
  }
}

/**
 * Even picks, descending, among the timesteps that the model was distilled on; whatever spacing the file names.
 * Throws when `steps` is not a whole number from 1 to their count.
 */
function distilledTimesteps(config: NoiseScheduleConfig, steps: number): number[] {
  const count = config.originalInferenceSteps ?? DEFAULTS.originalInferenceSteps;
  const stride = Math.trunc(trainTimesteps(config) / count);
  if (stride < 1) {
    throw new RangeError(
      `The model was distilled on ${count} steps, but has only ${trainTimesteps(config)} timesteps`,
    );
  }
  if (!Number.isInteger(steps) || steps < 1 || steps > count) {
    throw new RangeError(
      `The number of steps is ${steps}, but LCM needs a whole number from 1 to ${count}, the steps of its distillation`,
    );
  }
  return Array.from({ length: steps }, (_, i) => (count - Math.floor(i * (count / steps))) * stride - 1);
}
