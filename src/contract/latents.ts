/**
 * A file of latents, as a job that stops at `end_step` hands it out: safetensors, with what it is in `__metadata__`,
 * every value a string there. Tensors: `latents` [1, channels, h, w], what the sampler remembers as `sampler.<name>`, and
 * the random generator as `random.words`.
 */
import { Type, type Static } from 'typebox';
import { JOB_KINDS } from '../domain/job.ts';
import { SAMPLER_NAMES } from './samplers.ts';

export const LATENTS_FORMAT = 'kiln.latents/1';

const Count = Type.Integer({ minimum: 0 });

export const LatentsFacts = Type.Object({
  format: Type.Literal(LATENTS_FORMAT),
  kind: Type.Enum(JOB_KINDS),
  model: Type.String(),
  /** Digest of the VAE's files, which says what the latents stand for. */
  vae: Type.String(),
  /** SHA-256 of the prompt, in hex. */
  prompt: Type.String(),
  sampler: Type.Enum(SAMPLER_NAMES),
  steps: Count,
  /** 1 for the kinds that have none. */
  strength: Type.Number(),
  eta: Type.Number(),
  seed: Count,
  /** Pixels that the latents stand for. */
  width: Count,
  height: Count,
  /** UNet calls done, and those of the whole way. */
  step: Count,
  calls: Count,
});
export type LatentsFacts = Static<typeof LatentsFacts>;
