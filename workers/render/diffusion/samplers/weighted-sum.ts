/** Sampler steps are weighted sums of tensors: weights in double precision, each element rounded to float32 once. */
import type { Mix } from '../prediction.ts';

/** A tensor and its weight. All tensors of one sum have the same length. */
export type Term = readonly [weight: number, tensor: Float32Array];

export function weightedSum(...terms: readonly Term[]): Float32Array {
  const sum = new Float64Array(terms[0]?.[1].length ?? 0);
  for (const [weight, tensor] of terms) {
    for (let i = 0; i < sum.length; i++) sum[i]! += weight * tensor[i]!;
  }
  return new Float32Array(sum);
}

/** What the weights of latents and model output stand for, as a tensor. */
export function applyMix(mix: Mix, latents: Float32Array, output: Float32Array): Float32Array {
  return weightedSum([mix.latents, latents], [mix.output, output]);
}
