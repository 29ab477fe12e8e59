import { v7 as uuidv7 } from 'uuid';

const JOB_ID = /^job_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** `job_` and a UUID of version 7 (RFC 9562): ids sort by the time they were made. */
export function newJobId(): string {
  return `job_${uuidv7()}`;
}

/** Checked before an id from outside becomes part of a Redis key or an object key. */
export function isJobId(text: string): boolean {
  return JOB_ID.test(text);
}
