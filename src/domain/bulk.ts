/** A bulk: one uploaded file whose rows become jobs, a few at a time. */
import type { CreateJob } from '../contract/create-job.ts';
import type { JobFailure, JobParams, JobRef, JobResult, Priority } from './job.ts';
import type { TerminalState } from './job-state.ts';
import type { ModelOffer } from './model-choice.ts';
import type { Webhook } from './webhook.ts';

/**
 * accepted --first row is fed--> running --all rows have ended--> completed --retry--> running
 *    '-------pause------> paused --resume--> running
 * all but completed --cancel--> cancelled
 */
export const BULK_STATES = ['accepted', 'running', 'paused', 'cancelled', 'completed'] as const;
export type BulkState = (typeof BULK_STATES)[number];

/** Rows of one object in the store, but for the last. A multiple of 8, so that it is whole bytes of a bitmap. */
export const CHUNK_ROWS = 1_000;

/** Addresses a bulk, as a JobRef does a job. */
export type BulkRef = JobRef;

/** Each row is in exactly one of them: they always add up to the rows of the bulk. */
export interface BulkCounts {
  /** Not fed yet: there is no job. */
  readonly waiting: number;
  readonly queued: number;
  readonly running: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly cancelled: number;
}

/** Rows that ended in one slot of the clock; the slots of the newest time are kept. */
export interface PaceSlot {
  /** Start in ms since the epoch. */
  readonly from: number;
  readonly rows: number;
}

/** What the upload settles. */
export interface BulkFacts {
  /** The name of the file, or what the caller calls it. */
  readonly name: string;
  /** Accepted rows. */
  readonly rows: number;
  /** Images that all rows make together. */
  readonly images: number;
  /** Rows of the file that were left out, because they cannot be taken. */
  readonly rejected: number;
  /** Of every row. */
  readonly priority: Priority;
  /** Of the bulk as such; what is told of a row is in the row's own parameters. */
  readonly webhook: Webhook | null;
}

export interface Bulk extends BulkRef, BulkFacts {
  readonly state: BulkState;
  readonly counts: BulkCounts;
  /** Grows with every retry; 0 at first. */
  readonly run: number;
  /** Redis TIME, milliseconds since the epoch. */
  readonly createdAt: number;
  readonly startedAt: number | null;
  /** When the last row ended; null again after a retry. */
  readonly finishedAt: number | null;
  /** Oldest first. */
  readonly pace: readonly PaceSlot[];
}

interface RowPlace {
  /** Counted from 0, over the rows that were accepted. */
  readonly row: number;
  /** Where the row starts in the file that was sent, counted from 1. */
  readonly line: number;
  /** The caller's own name for the row. */
  readonly ref: string | null;
  /** False when its seeds were drawn as it was accepted; it then asks for any pictures, not for these. */
  readonly hasOwnSeeds?: boolean;
  /** A row of an earlier bulk asked for the same and has succeeded: nothing is rendered. */
  readonly reused?: ReusedPictures;
}

export interface ReusedPictures {
  /** The job that made them. */
  readonly job: string;
  readonly result: JobResult;
}

/** A row of which all is known. */
export interface ReadyRow extends RowPlace {
  readonly params: JobParams;
}

/** A row with images that lie at an address and are fetched when its turn comes. */
export interface RowToFetch extends RowPlace {
  /** Seeds are given in it. */
  readonly request: CreateJob;
  /** The model that was chosen for it. */
  readonly model: Pick<ModelOffer, 'name' | 'defaultWidth' | 'defaultHeight'>;
}

export type BulkRow = ReadyRow | RowToFetch;

/** How a row ended. */
export interface RowOutcome {
  readonly row: number;
  /** Null when the row failed before it became a job. */
  readonly job: string | null;
  readonly state: TerminalState;
  readonly finishedAt: number;
  readonly result: JobResult | null;
  readonly failure: JobFailure | null;
}

export function chunkOf(row: number): number {
  return Math.floor(row / CHUNK_ROWS);
}

export function chunkCount(rows: number): number {
  return Math.ceil(rows / CHUNK_ROWS);
}

/** Rows that have ended. */
export function endedRows({ succeeded, failed, cancelled }: BulkCounts): number {
  return succeeded + failed + cancelled;
}
