/** What a job names as its latents becomes the id of an object in the store. */
import { LATENTS_PREFIX, type InputId, type JobRecord, type JobRef } from '../domain/job.ts';
import type { LatentsInput } from '../domain/latents-start.ts';
import { LATENTS_START_BYTES, latentsFacts } from '../latents-facts.ts';
import { inputKey } from '../storage/object-keys.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { inputFault, type InputSource } from './input-fault.ts';

const LATENTS_ID = /^lat_[0-9a-f]{64}$/;
/** Of a job that stopped at its end step, the n-th. */
const OF_JOB = /^(job_[0-9a-f-]{36})\/(\d{1,3})$/;

interface Parts {
  readonly store: ObjectStore;
  /** Rejects with `not_found`. */
  readonly readJob: (ref: JobRef) => Promise<JobRecord>;
}

/**
 * Takes `job_<id>/<n>`, or the id of latents that a job was given before. They are in the store when it resolves, and
 * stay for KILN_INPUT_TTL_HOURS, whatever becomes of the job that made them. A fault is a KilnError that names the field.
 */
export async function resolveLatents(value: string, tenant: string, parts: Parts): Promise<LatentsInput> {
  const source = { field: 'init_latent', value };
  const [, job, n] = OF_JOB.exec(value) ?? [];
  const isId = LATENTS_ID.test(value);
  if (job === undefined && !isId) throw inputFault(source, `is no job and number such as job_<id>/0`);
  const id = job === undefined ? value : await keptFrom({ tenant, id: job }, Number(n), { ...parts, source });
  const key = inputKey(tenant, id);
  const isThere = await parts.store.touch(key);
  const found = isThere ? await parts.store.getStart(key, LATENTS_START_BYTES) : undefined;
  const facts = found && latentsFacts(found.start);
  if (facts === undefined) throw inputFault(source, 'names latents that do not exist, or no longer');
  return { id, facts };
}

/** Copies the job's file to where inputs are: it is used for as long as others need it, not as long as its job is kept. */
async function keptFrom(
  ref: JobRef,
  n: number,
  { store, readJob, source }: Parts & { readonly source: InputSource },
): Promise<InputId> {
  const { result } = await readJob(ref).catch((error: unknown) => {
    throw inputFault(source, 'names a job that does not exist', { cause: error });
  });
  const latents = result?.latents.find((file) => file.n === n);
  if (latents === undefined) {
    throw inputFault(
      source,
      'names a job that has handed out no such latents: it needs an end_step, and to have ended',
    );
  }
  const id = `${LATENTS_PREFIX}${latents.sha256}`;
  const key = inputKey(ref.tenant, id);
  if (await store.touch(key)) return id;
  const bytes = await store.get(latents.key);
  if (bytes === undefined) throw inputFault(source, 'names latents that are no longer in the store');
  await store.put(key, bytes, latents.contentType);
  return id;
}
