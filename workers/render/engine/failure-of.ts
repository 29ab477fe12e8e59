/** From what was thrown, or given back as an outcome, to a failure that the owner of the job understands. */
import type { RenderFailure } from '../../../src/domain/failure.ts';
import type { SampleFailure } from '../diffusion/denoise.ts';
import { DOINGS, type Doing } from './protocol.ts';

/** onnxruntime's errors have no code; these are the words of its arenas, of CUDA, of V8 and of the allocator. */
const OUT_OF_MEMORY =
  /failed to allocate memory|out of memory|CUBLAS_STATUS_ALLOC_FAILED|array buffer allocation failed|bad_alloc/i;

export function isOutOfMemory(error: unknown): boolean {
  return OUT_OF_MEMORY.test(messageOf(error));
}

/** A fault of the device or its libraries, as onnxruntime words it, other than a full memory. */
export function isCudaFault(error: unknown): boolean {
  return /\b(cuda|cudnn|cublas)/i.test(messageOf(error)) && !isOutOfMemory(error);
}

/** For one sample that failed with nobody else aboard. */
export function failureOf(error: unknown, doing: Doing): RenderFailure {
  const message = `${DOINGS[doing]} failed: ${messageOf(error)}`;
  if (isOutOfMemory(error)) return { code: 'out_of_memory', message };
  if (doing === 'load') return { code: 'model_broken', message };
  if (doing === 'input' || (doing === 'start' && error instanceof RangeError))
    return { code: 'request_refused', message };
  return { code: 'render_failed', message };
}

export function numericFailure(failure: SampleFailure): RenderFailure {
  const advice = 'another seed, another sampler or a lower guidance scale may avoid it';
  return { code: 'numeric_failure', message: `${failure.message}; ${advice}` };
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
