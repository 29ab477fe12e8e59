/** The surroundings of a check, in memory: what it would store is kept, and images are those that the test knows. */
import { expect } from 'vitest';
import { checkFile, type CheckOrder } from '../../src/bulk-file/check-file.ts';
import type { CheckHost, CheckReport, FoundImage, PreviousChunk } from '../../src/bulk-file/check-host.ts';
import type { Bytes } from '../../src/bulk-file/encoding.ts';
import type { ImageFiles } from '../../src/bulk-file/row-images.ts';
import type { BulkRow } from '../../src/domain/bulk.ts';
import { KilnError } from '../../src/domain/errors.ts';
import { parseBulkRows } from '../../src/storage/bulk-rows.ts';

export class CollectingHost implements CheckHost {
  readonly uploads = new Map<string, FoundImage>();
  readonly taken: Uint8Array[] = [];
  readonly chunks: Uint8Array[] = [];
  readonly previous: PreviousChunk[] = [];
  faults = '';

  get rows(): BulkRow[] {
    return this.chunks.flatMap((bytes, chunk) => parseBulkRows(bytes, chunk, 'the rows'));
  }

  findUpload(id: string): Promise<FoundImage> {
    return Promise.resolve(this.uploads.get(id) ?? { message: 'names an upload that does not exist' });
  }

  takeImage(file: Uint8Array): Promise<FoundImage> {
    this.taken.push(file);
    const id = `up_${String(this.taken.length).padStart(64, '0')}`;
    return Promise.resolve({ id, width: 64, height: 64 });
  }

  writeRows(chunk: number, lines: Uint8Array): Promise<void> {
    this.chunks[chunk] = lines;
    return Promise.resolve();
  }

  writeFaults(text: Uint8Array): Promise<void> {
    this.faults += Buffer.from(text).toString();
    return Promise.resolve();
  }

  previousChunk(chunk: number): Promise<PreviousChunk | undefined> {
    return Promise.resolve(this.previous[chunk]);
  }

  previousOutcomes(rows: readonly number[]): Promise<string[]> {
    const result = { images: [], averageBatch: 1, depthMap: null };
    return Promise.resolve(rows.map((row) => JSON.stringify({ job: `job_of_${row}`, result })));
  }
}

const POLICY = { allowHttp: false, allowedOrigins: new Set<string>() };
const ALL = ['txt2img', 'img2img', 'depth', 'inpaint', 'upscale'];
const MODEL = { name: 'pocket', kinds: ALL, defaultWidth: 128, defaultHeight: 64, refusal: null };

export const ORDER: CheckOrder = {
  format: 'csv',
  encoding: undefined,
  defaults: new Map(),
  priority: 'bulk',
  offers: { models: [MODEL], defaultModel: MODEL.name },
  fetches: POLICY,
  webhooks: POLICY,
  maxRows: 1_000_000,
  isDry: false,
  isDiff: false,
};

/** The bytes in pieces of so many, as a socket might give them. */
export async function* inPieces(text: string | Uint8Array, size = 64 * 1_024): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) {
    await Promise.resolve();
    yield bytes.subarray(at, at + size);
  }
}

export interface Checked {
  readonly host: CollectingHost;
  readonly report: CheckReport;
}

export async function check(
  text: string | Uint8Array | Bytes,
  order: Partial<CheckOrder> = {},
  given: { host?: CollectingHost; files?: ImageFiles } = {},
): Promise<Checked> {
  const host = given.host ?? new CollectingHost();
  const bytes = typeof text === 'string' || text instanceof Uint8Array ? inPieces(text) : text;
  const report = await checkFile(bytes, given.files, { ...ORDER, ...order }, host);
  return { host, report };
}

/** The refusal of a whole file. */
export async function refusal(work: Promise<unknown>): Promise<KilnError> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(KilnError);
  if (!(error instanceof KilnError)) throw new Error('not refused');
  return error;
}
