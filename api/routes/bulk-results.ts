/** What a bulk has come to, as files. Each is made while it is sent, so the first byte comes at once. */
import { Buffer } from 'node:buffer';
import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { KilnError } from '../../src/domain/errors.ts';
import { shortText } from '../../src/domain/shorten.ts';
import { ByteBudget } from '../../src/inputs/byte-budget.ts';
import { makeSheet } from '../../src/images/sheet-process.ts';
import { isBulkId } from '../../src/job-id.ts';
import { parseBulkFile, type BulkFile } from '../../src/storage/bulk-file-document.ts';
import { bulkFaultsFolder, bulkFileKey } from '../../src/storage/object-keys.ts';
import { readPieces } from '../../src/storage/pieces.ts';
import { ImageLinks } from '../../src/view/image-links.ts';
import type { BulkReader } from '../bulk-reader.ts';
import { resultsCsv, resultsJsonl, resultsZip, type BulkResults } from '../bulks/results.ts';
import { sheetCells } from '../bulks/sheet-cells.ts';
import { originOf } from '../origin.ts';
import type { App, ApiParts } from '../parts.ts';
import { PROBLEMS } from '../schemas.ts';

const DAY_MS = 24 * 3_600_000;
/** A table is kept and passed on; links that end after minutes would be of no use in it. */
const LINK_DAYS = 7;
const SHEET_IMAGES = { default: 40, max: 100 };
/** Each takes a process of its own. */
const SHEETS_AT_ONCE = 2;
const NO_FAULTS = 'line,ref,column,value,limit,message\n';

type Parts = Pick<ApiParts, 'config' | 'store' | 'bulkFeed' | 'records' | 'registry'> & {
  readonly bulkReader: BulkReader;
};

interface ResultFile {
  readonly name: string;
  readonly type: string;
  readonly summary: string;
  readonly description: string;
  readonly make: (results: BulkResults) => AsyncGenerator<Uint8Array>;
}

const LINKS = `Links to images need no key, and work for ${LINK_DAYS} days.`;

const FILES: readonly ResultFile[] = [
  {
    name: 'results.csv',
    type: 'text/csv; charset=utf-8',
    summary: 'The table that was sent, and what has become of each row',
    description:
      'Its columns, then state, job, image_urls, image_files (names in results.zip), image_seeds and error, lists with ' +
      `spaces between. Rows that were left out are in it as rejected. ${LINKS} A cell that a spreadsheet would take for ` +
      'a formula begins with an apostrophe.',
    make: resultsCsv,
  },
  {
    name: 'results.jsonl',
    type: 'application/x-ndjson; charset=utf-8',
    summary: 'What has become of each accepted row, a line of JSON each',
    description: `In the order of the file. ${LINKS}`,
    make: resultsJsonl,
  },
  {
    name: 'results.zip',
    type: 'application/zip',
    summary: 'Every image that is there by now, and results.csv',
    description: 'Of a bulk that is not over, what has been rendered so far.',
    make: resultsZip,
  },
];

const Params = Type.Object({ id: Type.String({ description: '`bulk_` and a UUID' }) });
const tags = ['bulks'];

export function bulkResultRoutes(app: App, parts: Parts): void {
  for (const file of FILES) fileRoute(app, parts, file);
  errorsRoute(app, parts);
  sheetRoute(app, parts);
}

function fileRoute(app: App, parts: Parts, { name, type, summary, description, make }: ResultFile): void {
  const schema = { summary, description, tags, params: Params, response: binary(type) };
  app.get(`/bulks/:id/${name}`, { schema }, async (request, reply) => {
    const results = await resultsOf(request, request.params.id, parts);
    return sendStream(reply, { type, name: `${results.bulk.id}-${name}` }, make(results));
  });
}

function errorsRoute(app: App, { store }: Parts): void {
  const type = 'text/csv; charset=utf-8';
  const schema = {
    summary: 'Every bad row of a file, with line, column, value and limit',
    description: 'Also of a file that was refused, or checked only (dry_run), for a day.',
    tags,
    params: Params,
    response: binary(type),
  };
  app.get('/bulks/:id/errors.csv', { schema }, async (request, reply) => {
    const { id } = request.params;
    const ref = { tenant: request.tenant, id };
    const file = await fileOf(store, ref);
    const { count } = file.faults;
    const bytes = count === 0 ? [Buffer.from(NO_FAULTS)] : readPieces(store, bulkFaultsFolder(ref), count);
    return sendStream(reply, { type, name: `${id}-errors.csv` }, bytes);
  });
}

function sheetRoute(app: App, parts: Parts): void {
  const { default: usual, max } = SHEET_IMAGES;
  const schema = {
    summary: 'The first images of a bulk on one sheet, with their prompts',
    tags,
    params: Params,
    querystring: Type.Object({
      images: Type.Optional(
        Type.String({ pattern: '^[1-9][0-9]{0,2}$', description: `At most ${max}; ${usual} when absent` }),
      ),
    }),
    response: binary('image/png'),
  };
  const slots = new ByteBudget(SHEETS_AT_ONCE);
  app.get('/bulks/:id/contact-sheet.png', { schema }, async (request, reply) => {
    const results = await resultsOf(request, request.params.id, parts);
    const count = Math.min(Number(request.query.images ?? usual), max);
    const giveBack = slots.take(1);
    const gone = new AbortController();
    reply.raw.once('close', () => gone.abort(new KilnError('request_timeout', 'The caller has hung up')));
    try {
      const cells = sheetCells(results, count);
      const first = await cells.next();
      if (first.done === true) throw new KilnError('not_found', 'The bulk has no image yet');
      const sheet = await makeSheet(followed(first.value, cells), gone.signal);
      return await sendStream(reply, { type: 'image/png', name: `${results.bulk.id}.png` }, [sheet]);
    } finally {
      giveBack();
    }
  });
}

async function* followed<T>(first: T, rest: AsyncIterable<T>): AsyncGenerator<T> {
  yield first;
  yield* rest;
}

function binary(type: string) {
  const schema = Type.String({ format: 'binary' });
  return { 200: { description: 'The file', content: { [type]: { schema } } }, ...PROBLEMS };
}

async function resultsOf(request: FastifyRequest, id: string, parts: Parts): Promise<BulkResults> {
  const { store, bulkFeed: feed, records, registry, bulkReader, config } = parts;
  const { tenant } = request;
  const bulk = await bulkReader.bulk({ tenant, id });
  const links = new ImageLinks(() => registry.linkSecret(), LINK_DAYS * DAY_MS);
  const [file, sign] = await Promise.all([fileOf(store, bulk), links.signer()]);
  const origin = originOf(request, config.publicUrl);
  return {
    sources: { store, feed, records },
    bulk,
    file,
    urlOf: (job, name) => `${origin}${sign({ tenant, id: job }, name)}`,
  };
}

/** Throws `not_found`, for a foreign id just as for no id. */
async function fileOf(store: Parts['store'], ref: { tenant: string; id: string }): Promise<BulkFile> {
  const key = bulkFileKey(ref);
  const bytes = isBulkId(ref.id) ? await store.get(key) : undefined;
  if (bytes === undefined)
    throw new KilnError('not_found', `There is no file of a bulk ${shortText(ref.id)}`);
  return parseBulkFile(bytes, key);
}

/** Names are made of a checked id and our own words, so they need no quoting. */
function sendStream(
  reply: FastifyReply,
  { type, name }: { type: string; name: string },
  bytes: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): FastifyReply {
  reply.headers({ 'content-type': type, 'content-disposition': `attachment; filename="${name}"` });
  return reply.send(Readable.from(bytes, { objectMode: false }));
}
