/**
 * Deletes images that callers sent and nobody uses any more. A job makes its images young when it is submitted; one that
 * then waits for days keeps them by its record, which is looked at here before anything is deleted.
 */
import type { Logger } from 'pino';
import { DEFAULT_TENANT, type InputId, type JobParams } from '../../src/domain/job.ts';
import { keepInputsOfBulks } from './bulk-inputs.ts';
import type { Lease } from '../../src/queue/lease.ts';
import { tenantsOf, unfinishedJobs } from '../../src/queue/unfinished-jobs.ts';
import { inputFolder, inputKey } from '../../src/storage/object-keys.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';

const HOUR_MS = 3_600_000;
/** Sweeps within the life of an unused image: a job that one sweep misses is seen by the next ones. */
const SWEEPS_PER_LIFE = 8;

export type SweepParts = Parameters<typeof unfinishedJobs>[0] & {
  readonly store: ObjectStore;
  readonly lease: Lease;
  readonly log: Logger;
};

export interface SweepOptions {
  readonly inputTtlMs: number;
  readonly signal: AbortSignal;
}

/** Between two sweeps. */
export function sweepPauseMs(inputTtlMs: number): number {
  return Math.min(inputTtlMs / SWEEPS_PER_LIFE, HOUR_MS);
}

/** One sweep over all tenants. Does nothing without the lease; two sweeps at once are harmless. */
export async function sweepInputs(parts: SweepParts, options: SweepOptions): Promise<void> {
  if (!(await parts.lease.take())) return;
  let deleted = 0;
  // Uploads come before the first job of a tenant does.
  for (const tenant of new Set([DEFAULT_TENANT, ...(await tenantsOf(parts))])) {
    await keepUsed(parts, tenant, options);
    // Cut short, the look at the records proves nothing.
    if (options.signal.aborted) return;
    deleted += await parts.store.deleteUnused(inputFolder(tenant), options.inputTtlMs);
  }
  if (deleted > 0) parts.log.info({ deleted }, 'unused inputs deleted');
}

/** Only jobs and bulks of half that age are looked at: the images of younger ones are younger still. */
async function keepUsed(
  parts: SweepParts,
  tenant: string,
  { inputTtlMs, signal }: SweepOptions,
): Promise<void> {
  for await (const { id, params } of unfinishedJobs(parts, { tenant, minAgeMs: inputTtlMs / 2, signal })) {
    for (const input of inputsOf(params)) {
      if (await parts.store.touch(inputKey(tenant, input))) continue;
      parts.log.warn({ job: id, input }, 'a job waits whose image is gone');
    }
  }
  await keepInputsOfBulks(parts, { tenant, minAgeMs: inputTtlMs / 2, signal, inputsOfJob: inputsOf });
}

function inputsOf(params: JobParams): InputId[] {
  const latents = params.startFrom === null ? [] : [params.startFrom.latents];
  return [...imagesOf(params), ...latents];
}

function imagesOf(params: JobParams): InputId[] {
  switch (params.kind) {
    case 'txt2img':
      return [];
    case 'img2img':
    case 'upscale':
      return [params.image];
    case 'depth':
      return params.depthMap === null ? [params.image] : [params.image, params.depthMap];
    case 'inpaint':
      return [params.image, params.mask];
  }
}
