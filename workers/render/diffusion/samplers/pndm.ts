/**
 * PNDM in its PLMS form, "skip_prk_steps" (Liu et al. 2022): linear multistep over the last four model outputs.
 *
 * The first interval is walked twice: call 0 makes an Euler step, call 1 asks the model at the point it led to and
 * repeats the interval from its start with the mean of both outputs. Hence N + 1 calls for N > 1 steps.
 *
 * Below strength 1 diffusers cuts the doubled timestep off with the steps left out, but still repeats the first
 * interval: from call 2 on the model is told one timestep lower than its latents have. Published images have it so.
 */
import type { NoiseScheduleConfig, PredictionType } from '../noise-schedule.ts';
import { alphasCumprod, trainTimesteps } from '../noise-tables.ts';
import { predictionType } from '../prediction.ts';
import { spacedTimesteps } from '../timesteps.ts';
import { present } from './memory.ts';
import type { NoiseLevel, Run, SamplerMemory } from './sampler.ts';
import { skippedSteps } from './strength.ts';
import { TimestepWalk, levelOfSignal } from './timestep-walk.ts';
import { weightedSum } from './weighted-sum.ts';

const DEFAULT_SPACING = 'leading';

/** Adams-Bashforth weights by the number of outputs at hand, newest first (equation 9 and its lower orders). */
const MULTISTEP_WEIGHTS: readonly (readonly number[])[] = [
  [],
  [1],
  [3 / 2, -1 / 2],
  [23 / 12, -16 / 12, 5 / 12],
  [55 / 24, -59 / 24, 37 / 24, -9 / 24],
];
const MAX_OUTPUTS = MULTISTEP_WEIGHTS.length - 1;

export class PndmSampler extends TimestepWalk {
  readonly #type: PredictionType;
  readonly #alphas: Float32Array;
  readonly #finalAlpha: number;
  readonly #stride: number;
  /** Newest first, at most four; the output of call 1 is not among them. */
  #outputs: readonly Float32Array[] = [];
  /** The latents of call 0, needed once more by call 1. */
  #start: Float32Array | null = null;

  constructor(config: NoiseScheduleConfig, run: Run) {
    super(doubledTimesteps(config, run.steps).slice(skippedSteps(run)));
    this.#type = predictionType(config);
    if (this.#type === 'sample')
      throw new Error('PNDM needs a model that predicts epsilon or v, not the sample');
    this.#alphas = alphasCumprod(config);
    this.#finalAlpha = config.setAlphaToOne === true ? 1 : this.#alphas[0]!;
    this.#stride = Math.trunc(trainTimesteps(config) / run.steps);
  }

  level(call: number): NoiseLevel {
    return levelOfSignal(this.#alphas[this.timestep(call)]!);
  }

  override memory(): SamplerMemory {
    const outputs = this.#outputs.map((output, i) => [outputName(i), output] as const);
    return present({ start: this.#start, ...Object.fromEntries(outputs) });
  }

  override recall(memory: SamplerMemory): void {
    const outputs = Array.from({ length: MAX_OUTPUTS }, (_, i) => memory.get(outputName(i)));
    this.#outputs = outputs.filter((output) => output !== undefined);
    this.#start = this.#outputs.length === 0 ? null : (memory.get('start') ?? null);
  }

  step(call: number, latents: Float32Array, modelOutput: Float32Array): Float32Array {
    const timestep = this.timestep(call);
    if (call === 1 && this.#start !== null) {
      const mean = weightedSum([1 / 2, modelOutput], [1 / 2, this.#outputs[0]!]);
      const start = this.#start;
      this.#start = null;
      return this.#transfer(timestep + this.#stride, start, mean);
    }
    if (call === 0) this.#start = latents;
    this.#outputs = [modelOutput, ...this.#outputs].slice(0, MAX_OUTPUTS);
    const weights = MULTISTEP_WEIGHTS[this.#outputs.length]!;
    const direction = weightedSum(...this.#outputs.map((output, i) => [weights[i]!, output] as const));
    return this.#transfer(timestep, latents, direction);
  }

  /** One interval down from `timestep` along the model's output (equation 11). */
  #transfer(timestep: number, latents: Float32Array, output: Float32Array): Float32Array {
    const signal = this.#alphas[timestep]!;
    const previous = this.#alphas[timestep - this.#stride] ?? this.#finalAlpha;
    const direction =
      this.#type === 'epsilon'
        ? output
        : weightedSum([Math.sqrt(signal), output], [Math.sqrt(1 - signal), latents]);
    const denominator = signal * Math.sqrt(1 - previous) + Math.sqrt(signal * (1 - signal) * previous);
    return weightedSum(
      [Math.sqrt(previous / signal), latents],
      [(signal - previous) / denominator, direction],
    );
  }
}

/** Counted from the newest. */
function outputName(i: number): string {
  return `output.${i}`;
}

/** `[N + 1]`: the second timestep stands twice, for the interval that is walked twice; `[1]` for one step. */
function doubledTimesteps(config: NoiseScheduleConfig, steps: number): number[] {
  const spaced = spacedTimesteps(config, steps, { family: 'discrete', defaultSpacing: DEFAULT_SPACING });
  return [...spaced.slice(0, 2), ...spaced.slice(1)];
}
