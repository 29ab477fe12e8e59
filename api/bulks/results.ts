/** The results of a bulk in the forms that callers fetch them in; each is made as it is sent. */
import { Buffer } from 'node:buffer';
import type { Bulk } from '../../src/domain/bulk.ts';
import type { RenderedImage } from '../../src/domain/job.ts';
import type { BulkFile } from '../../src/storage/bulk-file-document.ts';
import type { ImageName } from '../../src/view/image-links.ts';
import { ZipWriter } from '../../src/zip-writer.ts';
import { resultRows, type ResultRow, type ResultSources } from './result-rows.ts';
import { resultsTable, type ResultCells } from './results-table.ts';

export interface BulkResults {
  readonly sources: ResultSources;
  readonly bulk: Bulk;
  readonly file: BulkFile;
  /** The address of an image, which needs no key. */
  readonly urlOf: (job: string, name: ImageName) => string;
}

const DIGITS = 7;
const UNSAFE = /[^\p{L}\p{N}._-]+/gu;
const NAME_CHARS = 60;
/** Read ahead of the one that is being sent. */
const FILES_AHEAD = 8;

export function resultsCsv(results: BulkResults): AsyncGenerator<Uint8Array> {
  const { sources, bulk, file } = results;
  const rows = resultRows(sources, bulk);
  return resultsTable({ store: sources.store, ref: bulk, file, rows, show: cellsOf(results) });
}

/** A line for each accepted row, in the order of the file. */
export async function* resultsJsonl(results: BulkResults): AsyncGenerator<Uint8Array> {
  for await (const rows of resultRows(results.sources, results.bulk)) {
    yield Buffer.from(rows.map((row) => `${JSON.stringify(rowView(row, results))}\n`).join(''));
  }
}

/** Every file that was rendered, and `results.csv`. */
export async function* resultsZip(results: BulkResults): AsyncGenerator<Uint8Array> {
  const zip = new ZipWriter(results.bulk.createdAt);
  for await (const rows of resultRows(results.sources, results.bulk)) {
    const files = rows.flatMap((row) => filesOf(row).map((file) => ({ path: pathOf(row, file), file })));
    for await (const { path, bytes } of ahead(files, results.sources)) yield* zip.file(path, bytes);
  }
  yield* zip.text('results.csv', resultsCsv(results));
  yield* zip.end();
}

/** In their order, some of them read before they are asked for. One that is gone is left out. */
async function* ahead(
  files: readonly { readonly path: string; readonly file: NamedFile }[],
  { store }: ResultSources,
): AsyncGenerator<{ path: string; bytes: Uint8Array }> {
  const reading: { path: string; bytes: Promise<Uint8Array | undefined> }[] = [];
  let next = 0;
  while (next < files.length || reading.length > 0) {
    while (reading.length < FILES_AHEAD && next < files.length) {
      const one = files[next++];
      if (one === undefined) break;
      const bytes = store.get(one.file.stored.key);
      // Its failure is met below, when it is its turn.
      bytes.catch(() => undefined);
      reading.push({ path: one.path, bytes });
    }
    const first = reading.shift();
    const bytes = await first?.bytes;
    if (first !== undefined && bytes !== undefined) yield { path: first.path, bytes };
  }
}

/** A file of a row, by the last part of its link. */
interface NamedFile {
  readonly name: ImageName;
  readonly stored: RenderedImage;
}

function filesOf({ images, depthMap, latents }: ResultRow): NamedFile[] {
  return [
    ...images.map((stored): NamedFile => ({ name: stored.n, stored })),
    ...(depthMap === null ? [] : [{ name: 'depth-map', stored: depthMap } as const]),
    ...latents.map((stored): NamedFile => ({ name: `latents-${stored.n}`, stored })),
  ];
}

function cellsOf({ urlOf }: BulkResults): ResultCells {
  return {
    imageUrls: ({ job, images }) => (job === null ? [] : images.map(({ n }) => urlOf(job, n))),
    imageFiles: (row) => row.images.map((stored) => pathOf(row, { name: stored.n, stored })),
  };
}

/** As the view of a job has it. */
function rowView(row: ResultRow, { urlOf }: BulkResults) {
  const { job, images, depthMap, latents } = row;
  const view = (name: ImageName, file: RenderedImage) => ({
    url: job === null ? null : urlOf(job, name),
    width: file.width,
    height: file.height,
    bytes: file.bytes,
    sha256: file.sha256,
    content_type: file.contentType,
  });
  return {
    row: row.row,
    line: row.line,
    ref: row.ref,
    state: row.state,
    job,
    seeds: row.seeds,
    images: images.map((image) => ({ n: image.n, seed: image.seed, ...view(image.n, image) })),
    depth_map: depthMap === null ? null : view('depth-map', depthMap),
    latents: latents.map((file) => ({ n: file.n, seed: file.seed, ...view(`latents-${file.n}`, file) })),
    error: row.error,
  };
}

/** The number of the row in front, so that files sort as the rows do; then what the caller calls it. */
function pathOf({ row, ref }: ResultRow, { name, stored }: NamedFile): string {
  const number = String(row + 1).padStart(DIGITS, '0');
  const own = (ref ?? '').replaceAll(UNSAFE, '_').slice(0, NAME_CHARS);
  return `images/${number}${own === '' ? '' : `-${own}`}-${name}.${stored.key.split('.').at(-1) ?? 'bin'}`;
}
