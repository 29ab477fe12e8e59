import multipart from '@fastify/multipart';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { ENCODINGS } from '../../src/bulk-file/encoding.ts';
import { BulkUpload } from '../../src/contract/bulk-upload.ts';
import type { BulkRef } from '../../src/domain/bulk.ts';
import { BULK_LIMITS } from '../../src/domain/bulk-limits.ts';
import { KilnError } from '../../src/domain/errors.ts';
import { PRIORITIES } from '../../src/domain/job.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import { shorten } from '../../src/domain/shorten.ts';
import { ByteBudget } from '../../src/inputs/byte-budget.ts';
import { newBulkId } from '../../src/job-id.ts';
import { takeBulk, type IntakeParts, type TakenBulk } from '../bulks/bulk-intake.ts';
import { quoteOf } from '../bulks/quote.ts';
import { TAKEN_TYPES } from '../bulks/received-file.ts';
import { ON_ERROR, TABLE_FORMATS } from '../bulks/upload-options.ts';
import { originOf } from '../origin.ts';
import type { App, ApiParts } from '../parts.ts';
import { LONGEST_ARRIVAL_MS } from '../plugins/bound-arrival.ts';
import { PROBLEMS, answer } from '../schemas.ts';

/** What multipart writes round a file, and the values of the columns. */
const FRAME_BYTES = 1_024 * 1_024;
/** Each takes a process of its own for a while. */
const UPLOADS_AT_ONCE = 4;
/** Nothing is sent while the rows are checked, and a zip may hold many images. */
const CHECK_MS = 60 * 60_000;
/** Types that clients give such files; what they are is told by their bytes. */
const TYPES = [
  'text/csv',
  'text/tab-separated-values',
  'text/plain',
  'application/x-ndjson',
  'application/ndjson',
  'application/jsonl',
  'application/json-lines',
  'application/zip',
  'application/x-zip-compressed',
  'application/octet-stream',
];
const FIELDS = BULK_LIMITS.columns + 16;

const binary = { schema: Type.String({ format: 'binary' }) };

/** Said in the query or, the same, as fields of a form. */
const Options = Type.Object(
  {
    name: Type.Optional(
      Type.String({ maxLength: BULK_LIMITS.nameChars, description: 'When absent, that of the file' }),
    ),
    on_error: Type.Optional(
      Type.Enum(ON_ERROR, {
        default: 'reject',
        description: 'When rows cannot be taken: reject the whole file, or skip those rows',
      }),
    ),
    dry_run: Type.Optional(
      Type.Enum(['true', 'false'], { default: 'false', description: 'Checks the file and quotes, no more' }),
    ),
    priority: Type.Optional(Type.Enum(PRIORITIES, { default: 'bulk', description: 'Of every row' })),
    format: Type.Optional(Type.Enum(TABLE_FORMATS, { description: 'When absent, told by the file' })),
    encoding: Type.Optional(
      Type.Enum(ENCODINGS, {
        default: 'utf-8',
        description: 'Of a file that does not say it itself by a byte order mark',
      }),
    ),
    diff_of: Type.Optional(
      Type.String({
        description:
          'A bulk: rows that ask for the same as one of its rows that succeeded are not rendered again',
      }),
    ),
  },
  {
    additionalProperties: Type.String({
      description:
        'The value of a column, for rows that have none; webhook.url and webhook.events also of the bulk',
    }),
  },
);

const schema = {
  summary: 'Make images of the rows of a file',
  description:
    `A table in CSV or JSON Lines of at most ${BULK_LIMITS.rows} rows and ${BULK_LIMITS.fileBytes} bytes, or a zip with ` +
    'one and the images that its rows name. A row is a job: its columns are the fields of POST /v1/jobs, those of ' +
    'groups with a dot (output.format, metadata.<name>), and ref, a name of your own. An image is an upload id, an ' +
    'https URL, or the name of a file in the zip. Every row is checked before any is accepted.',
  tags: ['bulks'],
  querystring: Options,
  body: {
    content: {
      'multipart/form-data': {
        schema: Type.Object(
          { file: Type.String({ format: 'binary' }) },
          { additionalProperties: Type.String() },
        ),
      },
      'text/csv': binary,
      'application/x-ndjson': binary,
      'application/zip': binary,
    },
  },
  response: {
    200: answer('What would come of it (dry_run)', BulkUpload),
    202: answer('The bulk is accepted; Location leads to it', BulkUpload),
    ...PROBLEMS,
  },
};

type Parts = IntakeParts &
  Pick<ApiParts, 'speeds' | 'figures'> & {
    /** Aborts when the server closes. */
    readonly closing: AbortSignal;
  };

/** In an instance of its own: no other route takes such bodies. */
export async function bulkUploadRoute(app: App, parts: Parts): Promise<void> {
  await streamBodies(app);
  const slots = new ByteBudget(UPLOADS_AT_ONCE);
  const options = {
    schema,
    bodyLimit: BULK_LIMITS.fileBytes + FRAME_BYTES,
    // Fields come in the form as well, and are looked at together.
    validatorCompiler: () => () => true,
    config: { arrivalMs: LONGEST_ARRIVAL_MS, streamsBody: true },
  };
  app.post('/bulks', options, async (request, reply) => {
    const giveBack = slots.take(1);
    reply.raw.once('close', giveBack);
    request.raw.socket.setTimeout(CHECK_MS);
    const ref = { tenant: request.tenant, id: newBulkId() };
    const taken = await takeBulk(request, ref, parts, endOf(reply, parts.closing));
    const view = await viewOf(taken, ref, request, parts);
    request.raw.socket.setTimeout((LIMITS.waitSecondsMax + 30) * 1_000);
    if (taken.isDry) return reply.code(200).send(view);
    return reply
      .code(202)
      .header('location', view.bulk?.links.self ?? '')
      .send(view);
  });
}

async function streamBodies(app: App): Promise<void> {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(TYPES, (_request, body, done) => done(null, body));
  app.addContentTypeParser('*', (_request, _body, done) => {
    done(new KilnError('unsupported_media_type', `The body must be ${TAKEN_TYPES}`));
  });
  await app.register(multipart, {
    limits: {
      // One more than is taken, so that a longer file is not cut off but refused.
      fileSize: BULK_LIMITS.fileBytes + 1,
      files: 1,
      fields: FIELDS,
      fieldSize: BULK_LIMITS.rowBytes,
      parts: FIELDS + 1,
      headerPairs: 16,
    },
  });
}

/** Nobody waits for the answer any more, or nobody could give it. */
function endOf(reply: FastifyReply, closing: AbortSignal): AbortSignal {
  const end = new AbortController();
  const stop = (): void => end.abort(new KilnError('unavailable', 'Kiln is stopping: send the file again'));
  if (closing.aborted) stop();
  closing.addEventListener('abort', stop, { once: true });
  reply.raw.once('close', () => {
    closing.removeEventListener('abort', stop);
    end.abort(new KilnError('request_timeout', 'The caller has hung up'));
  });
  return end.signal;
}

async function viewOf(
  { isDry, report, hasFaults }: TakenBulk,
  ref: BulkRef,
  request: FastifyRequest,
  parts: Parts,
): Promise<BulkUpload> {
  const { bulkReader, bulks, speeds, figures, config } = parts;
  const origin = originOf(request, config.publicUrl);
  const [known, farm, now] = await Promise.all([speeds.read(), figures(), bulks.now()]);
  const { backlogSeconds, workers } = farm;
  return {
    dry_run: isDry,
    bulk: isDry ? null : await bulkReader.view(await bulkReader.bulk(ref), origin),
    rows: report.rows,
    accepted: report.accepted,
    rejected: report.rows - report.accepted,
    reused: report.reused,
    errors: report.faults.map(({ line, ref: name, field, value, ...fault }) => ({
      line,
      ref: name,
      column: field,
      ...(value === undefined ? {} : { value: shorten(value) }),
      ...fault,
    })),
    errors_csv: hasFaults ? `${origin}/v1/bulks/${ref.id}/errors.csv` : null,
    quote: quoteOf(report, { speeds: known, backlogSeconds, workers: workers.length, now }),
  };
}
