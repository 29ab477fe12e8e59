import type { Sampler } from '../../workers/render/diffusion/samplers/sampler.ts';
import { TorchRandom } from '../../workers/render/diffusion/torch-random.ts';

/** A stand-in for the UNet on which diffusers' results are known: 0.6 x + 0.05 sin 3x + 0.0002 t. */
export function toyModel(latents: Float32Array, timestep: number): Float32Array {
  const f = Math.fround;
  return latents.map(
    (x) => f(f(f(0.6) * x) + f(f(0.05) * f(Math.sin(f(3 * x))))) + f(f(0.0002) * f(timestep)),
  );
}

/** 64 latents from the noise of seed 0 to the end, the generator going on into the steps. */
export function runToyModel(sampler: Sampler): { timesteps: number[]; latents: Float32Array } {
  const random = new TorchRandom(0);
  let latents: Float32Array = random.randn(64).map((x) => x * sampler.initNoiseSigma);
  const timesteps = Array.from({ length: sampler.calls }, (_, call) => sampler.timestep(call));
  for (const [call, timestep] of timesteps.entries()) {
    const scaled = latents.map((x) => x * sampler.inputScale(call));
    latents = sampler.step(call, latents, toyModel(scaled, timestep), random);
  }
  return { timesteps, latents };
}
