/** Every object key is built here. The fence is in the key, so a late worker cannot overwrite a winner's image. */
import type { BulkRef } from '../domain/bulk.ts';
import { LATENTS_PREFIX, type InputId, type JobRef, type OutputFormat } from '../domain/job.ts';

const EXTENSION: Readonly<Record<OutputFormat, string>> = { png: 'png', jpeg: 'jpg', webp: 'webp' };

export function jobFolder(ref: JobRef): string {
  return `${ref.tenant}/jobs/${ref.id}/`;
}

export function fenceFolder(ref: JobRef, fence: number): string {
  return `${jobFolder(ref)}${fence}/`;
}

export function imageKey(ref: JobRef, image: { fence: number; n: number; format: OutputFormat }): string {
  return `${fenceFolder(ref, image.fence)}${image.n}.${EXTENSION[image.format]}`;
}

/** The finished job as JSON, kept beside its images: it answers for the record once that has expired. */
export function jobDocumentKey(ref: JobRef): string {
  return `${jobFolder(ref)}job.json`;
}

/** Images that callers sent: they belong to no job, and many jobs may use one. */
export function inputFolder(tenant: string): string {
  return `${tenant}/inputs/`;
}

/** Content-addressed: the id names the bytes, so equal images, or latents, are one object. */
export function inputKey(tenant: string, id: InputId): string {
  return `${inputFolder(tenant)}${id}.${id.startsWith(LATENTS_PREFIX) ? 'safetensors' : 'png'}`;
}

/** Where the sampler was when a job stopped. */
export function latentsKey(ref: JobRef, fence: number, n: number): string {
  return `${fenceFolder(ref, fence)}${n}.safetensors`;
}

export function depthMapKey(ref: JobRef, fence: number): string {
  return `${fenceFolder(ref, fence)}depth-map.png`;
}

export function bulkFolder(ref: BulkRef): string {
  return `${ref.tenant}/bulks/${ref.id}/`;
}

/** Accepted rows in the order of the file, CHUNK_ROWS in each but the last: see `bulk-rows.ts`. */
export function bulkRowsKey(ref: BulkRef, chunk: number): string {
  return `${bulkFolder(ref)}rows/${chunk}.jsonl`;
}

/** How the rows of a chunk ended, as of a run of the bulk: no run overwrites what another wrote. */
export function bulkOutcomesKey(ref: BulkRef, run: number, chunk: number): string {
  return `${bulkFolder(ref)}outcomes/${run}/${chunk}.jsonl`;
}

/** The finished bulk as JSON: it answers for the record once that has expired. */
export function bulkDocumentKey(ref: BulkRef): string {
  return `${bulkFolder(ref)}bulk.json`;
}

/** The table that was sent, in pieces, as it was sent. */
export function bulkTableFolder(ref: BulkRef): string {
  return `${bulkFolder(ref)}table/`;
}

/** `errors.csv`, in pieces. */
export function bulkFaultsFolder(ref: BulkRef): string {
  return `${bulkFolder(ref)}faults/`;
}

/** What is to be known of the file: see `bulk-file-document.ts`. */
export function bulkFileKey(ref: BulkRef): string {
  return `${bulkFolder(ref)}file.json`;
}

export function draftsFolder(tenant: string): string {
  return `${tenant}/bulk-drafts/`;
}

/** Says that the folder of this bulk may have to be deleted: written before anything is put there. */
export function draftKey(ref: BulkRef): string {
  return `${draftsFolder(ref.tenant)}${ref.id}`;
}
