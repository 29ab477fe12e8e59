import type { SamplerMemory } from './sampler.ts';

/** Without those that there are not yet. */
export function present(tensors: Readonly<Record<string, Float32Array | null>>): SamplerMemory {
  return new Map(
    Object.entries(tensors).filter((entry): entry is [string, Float32Array] => entry[1] !== null),
  );
}
