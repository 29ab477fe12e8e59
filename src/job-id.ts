import { v5 as uuidv5, v7 as uuidv7 } from 'uuid';
import type { BulkPlace } from './domain/job.ts';

const UUID = '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}';
const JOB_ID = new RegExp(`^job_${UUID}$`);
const BULK_ID = new RegExp(`^bulk_${UUID}$`);

/** `job_` and a UUID of version 7 (RFC 9562): ids sort by the time they were made. */
export function newJobId(): string {
  return `job_${uuidv7()}`;
}

/** Checked before an id from outside becomes part of a Redis key or an object key. */
export function isJobId(text: string): boolean {
  return JOB_ID.test(text);
}

/** `bulk_` and a UUID of version 7. */
export function newBulkId(): string {
  return `bulk_${uuidv7()}`;
}

export function isBulkId(text: string): boolean {
  return BULK_ID.test(text);
}

/** The job of a row in a run of its bulk: the same whoever feeds it, so that feeding it twice makes one job. */
export function rowJobId({ id, row }: BulkPlace, run: number): string {
  return `job_${uuidv5(`${row}.${run}`, id.slice('bulk_'.length))}`;
}
