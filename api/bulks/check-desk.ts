/** Does for the check of a file what the check cannot do itself: everything that has to do with the store. */
import { setTimeout as delay } from 'node:timers/promises';
import { readOutcomes, type Outcomes, type OutcomeSources } from '../../src/bulk-outcomes.ts';
import type { FoundImage, PreviousChunk } from '../../src/bulk-file/check-host.ts';
import type { ParentHost } from '../../src/bulk-file/checker/check-process.ts';
import { CHUNK_ROWS, chunkCount, chunkOf, type Bulk, type BulkRef } from '../../src/domain/bulk.ts';
import { KilnError } from '../../src/domain/errors.ts';
import type { ImageIntake } from '../../src/inputs/image-intake.ts';
import { bulkRowsKey } from '../../src/storage/object-keys.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import type { PieceWriter } from '../../src/storage/pieces.ts';

/** Others send images, too: the decoders are busy at times. */
const BUSY_PAUSE_MS = 200;
const BUSY_TRIES = 150;
/** Outcomes that are kept at hand: an edited file has most of its rows where they were. */
const CHUNKS_KEPT = 4;

export interface DeskParts {
  readonly store: ObjectStore;
  readonly intake: ImageIntake;
  readonly outcomes: OutcomeSources;
}

export interface DeskTask {
  readonly ref: BulkRef;
  /** Whose pictures may be used again. */
  readonly previous: Bulk | undefined;
  readonly table: PieceWriter;
  readonly faults: PieceWriter;
  readonly signal: AbortSignal;
}

export class CheckDesk implements ParentHost {
  readonly #parts: DeskParts;
  readonly #task: DeskTask;
  readonly #outcomes = new Map<number, Promise<Outcomes>>();

  constructor(parts: DeskParts, task: DeskTask) {
    this.#parts = parts;
    this.#task = task;
  }

  async findUpload(id: string): Promise<FoundImage> {
    const found = await this.#parts.intake.find(id, this.#task.ref.tenant);
    return found ?? { message: 'names an upload that does not exist, or no longer' };
  }

  async takeImage(file: Uint8Array): Promise<FoundImage> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#parts.intake.take(file, this.#task.ref.tenant, { field: 'image' });
      } catch (error) {
        if (!(error instanceof KilnError)) throw error;
        const [fault] = error.faults;
        if (fault !== undefined) return { message: fault.message, limit: fault.limit };
        if (error.code !== 'unavailable' || tries === BUSY_TRIES) throw error;
        await delay(BUSY_PAUSE_MS, undefined, { signal: this.#task.signal });
      }
    }
  }

  writeRows(chunk: number, lines: Uint8Array): Promise<void> {
    return this.#parts.store.put(bulkRowsKey(this.#task.ref, chunk), lines, 'application/x-ndjson');
  }

  writeFaults(text: Uint8Array): Promise<void> {
    return this.#task.faults.write(text);
  }

  writeTable(text: Uint8Array): Promise<void> {
    return this.#task.table.write(text);
  }

  async previousChunk(chunk: number): Promise<PreviousChunk | undefined> {
    const { previous } = this.#task;
    if (previous === undefined || chunk >= chunkCount(previous.rows)) return undefined;
    const lines = await this.#parts.store.get(bulkRowsKey(previous, chunk));
    const succeeded = new Uint8Array(CHUNK_ROWS);
    // What is no longer in the store cannot be used again; it is rendered anew.
    if (lines === undefined) return { lines: new Uint8Array(), succeeded };
    for (const { row, state, result, job } of (await this.#outcomesOf(chunk)).values()) {
      if (state === 'succeeded' && result !== null && job !== null) succeeded[row % CHUNK_ROWS] = 1;
    }
    return { lines, succeeded };
  }

  async previousOutcomes(rows: readonly number[]): Promise<string[]> {
    const texts: string[] = [];
    for (const row of rows) {
      const outcome = (await this.#outcomesOf(chunkOf(row))).get(row);
      if (outcome === undefined) throw new Error(`row ${row} of the earlier bulk has lost its outcome`);
      texts.push(JSON.stringify({ job: outcome.job, result: outcome.result }));
    }
    return texts;
  }

  #outcomesOf(chunk: number): Promise<Outcomes> {
    const known = this.#outcomes.get(chunk);
    if (known !== undefined) return known;
    const { previous } = this.#task;
    if (previous === undefined) throw new Error('there is no earlier bulk');
    const [oldest] = this.#outcomes.keys();
    if (oldest !== undefined && this.#outcomes.size >= CHUNKS_KEPT) this.#outcomes.delete(oldest);
    const read = readOutcomes(this.#parts.outcomes, previous, chunk);
    this.#outcomes.set(chunk, read);
    return read;
  }
}
