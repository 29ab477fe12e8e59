/**
 * From an upload to a bulk, in two passes: the file comes in, and goes to the store; then every row is checked, in a
 * process of its own. Only when both are through is the bulk made, by one script: before that nobody sees anything of it.
 */
import type { FastifyRequest } from 'fastify';
import { checkInChild, type CheckedSource } from '../../src/bulk-file/checker/check-process.ts';
import type { CheckReport } from '../../src/bulk-file/check-host.ts';
import type { Bulk, BulkRef } from '../../src/domain/bulk.ts';
import { BULK_LIMITS } from '../../src/domain/bulk-limits.ts';
import { KilnError, type FieldFault } from '../../src/domain/errors.ts';
import { textFault } from '../../src/domain/text.ts';
import type { ImageIntake } from '../../src/inputs/image-intake.ts';
import { isRedisUnavailable } from '../../src/queue/connection.ts';
import { bulkFileDocument } from '../../src/storage/bulk-file-document.ts';
import { bulkFaultsFolder, bulkFileKey, bulkTableFolder } from '../../src/storage/object-keys.ts';
import { PieceWriter, readPieces, type Pieces } from '../../src/storage/pieces.ts';
import type { BulkReader } from '../bulk-reader.ts';
import type { OfferCache } from '../offer-cache.ts';
import type { ApiParts } from '../parts.ts';
import { CheckDesk } from './check-desk.ts';
import { beginDraft, dropDraft, endDraft } from './drafts.ts';
import { receiveFile, type ReceivedFile } from './received-file.ts';
import { readOptions, type UploadOptions } from './upload-options.ts';

const OUTCOME_UNKNOWN =
  'The queue did not answer in time, so it is not known whether the bulk was accepted: look at GET /v1/bulks first';

export interface IntakeParts extends Pick<ApiParts, 'config' | 'store' | 'bulks' | 'bulkFeed' | 'log'> {
  readonly intake: ImageIntake;
  readonly offers: OfferCache;
  readonly bulkReader: BulkReader;
}

export interface TakenBulk {
  readonly isDry: boolean;
  readonly report: CheckReport;
  /** There is something in `errors.csv`. */
  readonly hasFaults: boolean;
}

interface CheckedFile {
  readonly options: UploadOptions;
  readonly name: string;
  readonly report: CheckReport;
  readonly faults: Pieces;
}

/**
 * Takes the body of the request as the bulk `ref`. Throws KilnError for a file that cannot be taken; nothing is left
 * behind then but the `errors.csv` of one with bad rows. `signal` aborts when the caller has gone.
 */
export async function takeBulk(
  request: FastifyRequest,
  ref: BulkRef,
  parts: IntakeParts,
  signal: AbortSignal,
): Promise<TakenBulk> {
  const { store, log } = parts;
  await beginDraft(store, ref);
  let keepFaults = false;
  let isBeingMade = false;
  try {
    const checked = await receiveAndCheck(request, ref, parts, signal);
    const { options, report } = checked;
    const rejected = report.rows - report.accepted;
    keepFaults = checked.faults.count > 0;
    const isRefused = report.accepted === 0 || (rejected > 0 && options.onError === 'reject');
    if (options.isDry) {
      await dropDraft(store, ref, { keepFaults });
      return { isDry: true, report, hasFaults: keepFaults };
    }
    if (isRefused) throw rowsRefused(ref, report);
    signal.throwIfAborted();
    isBeingMade = true;
    await accept(ref, checked, parts);
    return { isDry: false, report, hasFaults: keepFaults };
  } catch (error) {
    // Whether the script was carried out is not known: the courier looks for the bulk before it clears anything away.
    if (isBeingMade && isRedisUnavailable(error))
      throw new KilnError('unavailable', OUTCOME_UNKNOWN, { cause: error });
    await dropDraft(store, ref, { keepFaults }).catch((failure: unknown) => {
      log.warn({ err: failure, bulk: ref.id }, 'an upload that came to nothing is left for the courier');
    });
    throw error;
  }
}

async function receiveAndCheck(
  request: FastifyRequest,
  ref: BulkRef,
  parts: IntakeParts,
  signal: AbortSignal,
): Promise<CheckedFile> {
  const { store, config } = parts;
  const table = new PieceWriter(store, bulkTableFolder(ref), 'text/plain');
  const faults = new PieceWriter(store, bulkFaultsFolder(ref), 'text/csv');
  const received = await receiveFile(request, table);
  try {
    const options = readOptions(received.fields, config.webhooks.outbound);
    const { source } = received;
    const previous = await previousBulk(ref, options, parts);
    const desk = new CheckDesk(
      { store, intake: parts.intake, outcomes: { feed: parts.bulkFeed, store } },
      { ref, previous, table, faults, signal },
    );
    const format = options.format ?? ('format' in source ? source.format : 'csv');
    const stored = 'zip' in source ? undefined : await table.end();
    const from: CheckedSource =
      'zip' in source ? source : { table: readPieces(store, bulkTableFolder(ref), stored?.count ?? 0) };
    const { defaultModel } = config;
    const models = await parts.offers.models(() => false);
    const report = await checkInChild(
      from,
      {
        format,
        encoding: options.encoding,
        defaults: options.defaults,
        priority: options.priority,
        offers: { models, defaultModel },
        fetches: config.outbound,
        webhooks: config.webhooks.outbound,
        maxRows: BULK_LIMITS.rows,
        isDry: options.isDry,
        isDiff: previous !== undefined,
      },
      desk,
      { signal },
    );
    const written = { table: stored ?? (await table.end()), faults: await faults.end() };
    const file = {
      ...written,
      format: report.format,
      encoding: options.encoding ?? null,
      columns: [...report.columns],
    };
    await store.put(bulkFileKey(ref), bulkFileDocument(file), 'application/json');
    return { options, name: nameOf(options, received), report, faults: written.faults };
  } finally {
    await received.discard();
  }
}

async function accept(ref: BulkRef, checked: CheckedFile, { bulks, store, log }: IntakeParts): Promise<void> {
  const { options, name, report } = checked;
  await bulks.accept(ref, {
    name,
    rows: report.accepted,
    images: report.images,
    rejected: report.rows - report.accepted,
    priority: options.priority,
    webhook: options.webhook,
  });
  await endDraft(store, ref).catch((error: unknown) => {
    log.warn({ err: error, bulk: ref.id }, 'the note of a draft is left for the courier');
  });
}

async function previousBulk(
  { tenant }: BulkRef,
  { diffOf }: UploadOptions,
  { bulkReader }: IntakeParts,
): Promise<Bulk | undefined> {
  if (diffOf === undefined) return undefined;
  try {
    return await bulkReader.bulk({ tenant, id: diffOf });
  } catch (error) {
    if (!(error instanceof KilnError) || error.code !== 'not_found') throw error;
    const faults = [{ field: 'diff_of', value: diffOf, message: 'names no bulk' }];
    throw new KilnError('invalid_request', error.message, { faults, cause: error });
  }
}

/** What the caller calls it, or the name of the file, as far as that is fit to be shown. */
function nameOf({ name }: UploadOptions, received: ReceivedFile): string {
  const own = name ?? received.name ?? '';
  return own !== '' && textFault(own) === undefined ? own.slice(0, BULK_LIMITS.nameChars) : 'bulk';
}

function rowsRefused(ref: BulkRef, { rows, accepted, faults }: CheckReport): KilnError {
  const message =
    `${rows - accepted} of ${rows} rows cannot be taken, so none is; /v1/bulks/${ref.id}/errors.csv lists them for a day. ` +
    'With on_error=skip the others are taken';
  return new KilnError('rows_refused', message, {
    faults: faults.map(({ line, field, ref: _ref, ...fault }): FieldFault => {
      return { field: `line ${line}: ${field}`, ...fault };
    }),
  });
}
