/**
 * A part of the way from noise to image. A sample may stop early, and another one go on where it stopped: what is done
 * before a checkpoint and after it is, to the bit, what is done without one.
 */
import type { Sampler, SamplerMemory } from './samplers/sampler.ts';
import type { RandomState, TorchRandom } from './torch-random.ts';

/** All that the calls so far leave for those to come. */
export interface Checkpoint {
  /** `[latentChannels, h, w]`, as the next call takes them. */
  readonly latents: Float32Array;
  readonly callsDone: number;
  readonly memory: SamplerMemory;
  /** Null, for latents from elsewhere: the draws go on as after the preparation of the sample. */
  readonly random: RandomState | null;
}

export interface Span {
  /** Null starts at the first call. */
  readonly from: Checkpoint | null;
  /** Calls done when the sample stops, counted from the first call of all; null goes to the end. */
  readonly endStep: number | null;
}

export const WHOLE: Span = { from: null, endStep: null };

interface Walker {
  readonly sampler: Sampler;
  readonly random: TorchRandom;
  /** From the preparation. */
  readonly latents: Float32Array;
}

interface Part {
  readonly latents: Float32Array;
  readonly firstCall: number;
  readonly lastCall: number;
}

/** Brings a fresh sampler and generator to where the span begins. Throws a RangeError when they cannot be there. */
export function enterSpan({ sampler, random, latents }: Walker, { from, endStep }: Span): Part {
  const firstCall = from?.callsDone ?? 0;
  const lastCall = endStep ?? sampler.calls;
  const { calls } = sampler;
  if (firstCall > calls) {
    throw new RangeError(`start_step is ${firstCall}, but must be at most ${calls}: there are no more calls`);
  }
  // With nothing left to do, latents that are done can still be decoded.
  if (endStep !== null && (endStep <= firstCall || endStep > calls)) {
    throw new RangeError(`end_step is ${endStep}, but must be from ${firstCall + 1} to ${calls}`);
  }
  if (from === null) return { latents, firstCall, lastCall };
  for (const [name, tensor] of [['latents', from.latents] as const, ...from.memory]) {
    if (tensor.length === latents.length) continue;
    const message = `${name} of init_latent has ${tensor.length} values, but must have ${latents.length}`;
    throw new RangeError(message);
  }
  sampler.recall(from.memory);
  if (from.random !== null) random.state = from.random;
  return { latents: from.latents, firstCall, lastCall };
}
