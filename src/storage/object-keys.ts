/** Every object key is built here. The fence is in the key, so a late worker cannot overwrite a winner's image. */
import type { InputId, JobRef, OutputFormat } from '../domain/job.ts';

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

/** Content-addressed: the id names the bytes, so equal images are one object. */
export function inputKey(tenant: string, id: InputId): string {
  return `${inputFolder(tenant)}${id}.png`;
}

export function depthMapKey(ref: JobRef, fence: number): string {
  return `${fenceFolder(ref, fence)}depth-map.png`;
}
