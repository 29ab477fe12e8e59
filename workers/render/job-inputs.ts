/** The input images of a claimed job, from the object store. */
import type { RenderFailure } from '../../src/domain/failure.ts';
import { inputKey } from '../../src/storage/object-keys.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { messageOf } from './engine/failure-of.ts';
import type { SampleInputs } from './engine/sample-message.ts';
import { inputsOf, type NeededInput } from './job-samples.ts';
import type { RunningJob } from './running-jobs.ts';

export type ReadInputs =
  | { readonly kind: 'read'; readonly inputs: SampleInputs }
  | { readonly kind: 'failed'; readonly failure: RenderFailure };

/** All of them or the reason why not; an image that serves twice is read once. */
export async function readInputs(store: Pick<ObjectStore, 'get'>, job: RunningJob): Promise<ReadInputs> {
  const files = new Map<string, Uint8Array>();
  const inputs: SampleInputs = {};
  for (const needed of inputsOf(job.record.params)) {
    const file = files.get(needed.id) ?? (await read(store, job, needed));
    if (!(file instanceof Uint8Array)) return { kind: 'failed', failure: file };
    files.set(needed.id, file);
    inputs[needed.name] = file;
  }
  return { kind: 'read', inputs };
}

async function read(
  store: Pick<ObjectStore, 'get'>,
  { ref }: RunningJob,
  { field, id }: NeededInput,
): Promise<Uint8Array | RenderFailure> {
  try {
    const file = await store.get(inputKey(ref.tenant, id));
    return file ?? { code: 'input_missing', message: `${field} ${id} is no longer in the object store` };
  } catch (error) {
    return { code: 'store_failed', message: `${field} ${id} could not be read: ${messageOf(error)}` };
  }
}
