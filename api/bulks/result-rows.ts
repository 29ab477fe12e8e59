/** The accepted rows of a bulk, in the order of the file, each with what has become of it by now. */
import { readOutcomes, type OutcomeSources } from '../../src/bulk-outcomes.ts';
import { CHUNK_ROWS, chunkCount, type Bulk, type BulkRow, type RowOutcome } from '../../src/domain/bulk.ts';
import type { JobState } from '../../src/domain/job-state.ts';
import type { RenderedImage } from '../../src/domain/job.ts';
import { countedUp } from '../../src/domain/seeds.ts';
import { rowJobId } from '../../src/job-id.ts';
import type { JobRecords } from '../../src/queue/job-records.ts';
import { parseBulkRows } from '../../src/storage/bulk-rows.ts';
import { bulkRowsKey } from '../../src/storage/object-keys.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';

export interface ResultRow {
  /** Where it starts in the file, counted from 1. */
  readonly line: number;
  /** Counted from 0, over the accepted rows. */
  readonly row: number;
  readonly ref: string | null;
  /** `waiting`: it has no job yet. */
  readonly state: JobState | 'waiting';
  /** Null while there is none; of a row that was not rendered again, the job that made its pictures. */
  readonly job: string | null;
  readonly prompt: string;
  /** One for each image that is there or will be. */
  readonly seeds: readonly number[];
  readonly images: readonly RenderedImage[];
  readonly depthMap: RenderedImage | null;
  /** Of rows that end at a step. */
  readonly latents: readonly RenderedImage[];
  readonly error: string | null;
}

export interface ResultSources {
  readonly store: Pick<ObjectStore, 'get'>;
  readonly feed: OutcomeSources['feed'];
  readonly records: Pick<JobRecords, 'read'>;
}

/** A chunk at a time. Throws when rows of the bulk are no longer in the store. */
export async function* resultRows(sources: ResultSources, bulk: Bulk): AsyncGenerator<ResultRow[]> {
  for (let chunk = 0; chunk < chunkCount(bulk.rows); chunk++) {
    const key = bulkRowsKey(bulk, chunk);
    const bytes = await sources.store.get(key);
    if (bytes === undefined) throw new Error(`object ${key} is missing: rows of a bulk`);
    const rows = parseBulkRows(bytes, chunk, key);
    // A row that ends between the two reads is in the second.
    const isFed = await sources.feed.bits(bulk, 'fed', chunk);
    const outcomes = await readOutcomes(sources, bulk, chunk);
    yield await Promise.all(
      rows.map((row) => {
        const outcome = outcomes.get(row.row);
        if (outcome !== undefined) return Promise.resolve(endedRow(row, outcome));
        return openRow(row, bulk, isFed(row.row % CHUNK_ROWS) ? sources.records : undefined);
      }),
    );
  }
}

function endedRow(row: BulkRow, { state, job, result, failure }: RowOutcome): ResultRow {
  const images = result?.images ?? [];
  return {
    ...placeOf(row),
    state,
    job,
    seeds: images.length > 0 ? images.map(({ seed }) => seed) : seedsOf(row),
    images,
    depthMap: result?.depthMap ?? null,
    latents: result?.latents ?? [],
    error: failure === null ? null : `${failure.code}: ${failure.message}`,
  };
}

async function openRow(
  row: BulkRow,
  bulk: Bulk,
  records: ResultSources['records'] | undefined,
): Promise<ResultRow> {
  const job = rowJobId({ id: bulk.id, row: row.row }, bulk.run);
  const record = await records?.read({ tenant: bulk.tenant, id: job });
  const open = { ...placeOf(row), seeds: seedsOf(row), images: [], depthMap: null, latents: [], error: null };
  if (record !== undefined) return { ...open, state: record.state, job };
  return { ...open, state: bulk.state === 'cancelled' ? 'cancelled' : 'waiting', job: null };
}

function placeOf(row: BulkRow): Pick<ResultRow, 'line' | 'row' | 'ref' | 'prompt'> {
  const prompt = 'params' in row ? row.params.prompt : (row.request.prompt ?? '');
  return { line: row.line, row: row.row, ref: row.ref, prompt };
}

function seedsOf(row: BulkRow): readonly number[] {
  if ('params' in row) return row.params.seeds;
  const { seed, seeds, images = 1 } = row.request;
  return seeds ?? (seed === undefined ? [] : countedUp(seed, images));
}
