import type { RenderFailure } from '../../../src/domain/failure.ts';
import { decodeSample, type DecodeOutcome, type Sample } from '../diffusion/denoise.ts';
import type { LoadedModel } from '../diffusion/loaded-model.ts';
import type { RawImage } from '../image/raw-image.ts';
import type { DeviceGuard } from './device-guard.ts';
import { failureOf, numericFailure } from './failure-of.ts';

export type Decoded =
  | { readonly kind: 'image'; readonly image: RawImage }
  | { readonly kind: 'failed'; readonly failure: RenderFailure };

/** Like a step, a decoding whose numbers overflow is made once more. Rejects only for a device that is broken. */
export async function tryDecode(model: LoadedModel, sample: Sample, guard: DeviceGuard): Promise<Decoded> {
  const decode = (): Promise<DecodeOutcome> => guard.withRoom(model, () => decodeSample(model, sample));
  try {
    let outcome = await decode();
    if (outcome.kind === 'failure') outcome = await decode();
    if (outcome.kind === 'image') return outcome;
    return { kind: 'failed', failure: numericFailure(outcome.failure) };
  } catch (error) {
    guard.rethrowIfFatal(error);
    return { kind: 'failed', failure: failureOf(error, 'decode') };
  }
}
