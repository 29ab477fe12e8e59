/**
 * What the check of a file wants from whoever has it checked. The check itself runs in a process without secrets, which
 * reaches neither the store nor the network.
 */
import type { FieldFault } from '../domain/errors.ts';
import type { InputImage } from '../domain/job-params.ts';
import type { TableFormat } from './archive.ts';

/** An image that can be used, or why it cannot: the message goes on after the name of the field. */
export type FoundImage = InputImage | { readonly message: string; readonly limit?: unknown };

/** A chunk of the bulk that this one differs from. */
export interface PreviousChunk {
  /** As it lies in the store. */
  readonly lines: Uint8Array;
  /** By the place of a row in the chunk: 1 when it succeeded. */
  readonly succeeded: Uint8Array;
}

export interface CheckHost {
  /** Finds an image that was uploaded before, and keeps it for longer. */
  findUpload(id: string): Promise<FoundImage>;
  /** Decodes and keeps an image that came with the table. */
  takeImage(file: Uint8Array): Promise<FoundImage>;
  /** Keeps the accepted rows of a chunk. */
  writeRows(chunk: number, lines: Uint8Array): Promise<void>;
  /** Keeps the next piece of `errors.csv`. */
  writeFaults(text: Uint8Array): Promise<void>;
  /** A chunk of the earlier bulk; undefined after the last. */
  previousChunk(chunk: number): Promise<PreviousChunk | undefined>;
  /** How rows of the earlier bulk ended, each as JSON to be put into a line. */
  previousOutcomes(rows: readonly number[]): Promise<string[]>;
}

/** A fault of a row. */
export interface RowFault extends FieldFault {
  /** Counted from 1. */
  readonly line: number;
  readonly ref: string | null;
}

/** What a lane would have to do: of one model, as the engine counts it. */
export interface LaneCost {
  readonly lane: string;
  readonly model: string;
  readonly width: number;
  readonly height: number;
  /** UNet calls for one image each. */
  readonly sampleSteps: number;
}

export interface CheckReport {
  readonly format: TableFormat;
  /** Of the file, bad ones included. */
  readonly rows: number;
  readonly accepted: number;
  /** Of the accepted rows, those that were rendered before and are not rendered again. */
  readonly reused: number;
  /** Of accepted rows that are rendered. */
  readonly images: number;
  readonly faults: readonly RowFault[];
  /** Of the rows that are rendered. */
  readonly costs: readonly LaneCost[];
  /** Of the file: those of the table, or the fields that lines of JSON had. */
  readonly columns: readonly string[];
}
