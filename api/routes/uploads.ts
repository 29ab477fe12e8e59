/** Images that are sent ahead of the jobs that use them. */
import multipart from '@fastify/multipart';
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { Config } from '../../src/config.ts';
import { Upload } from '../../src/contract/upload.ts';
import { KilnError } from '../../src/domain/errors.ts';
import { INPUT_LIMITS } from '../../src/domain/input-limits.ts';
import { INPUT_TYPE, type ImageIntake, type StoredInput } from '../../src/inputs/image-intake.ts';
import { isUploadId } from '../../src/inputs/input-value.ts';
import { formFault } from '../form-fault.ts';
import { originOf } from '../origin.ts';
import type { App } from '../parts.ts';
import { PROBLEMS, answer } from '../schemas.ts';

const FILE = 'file';
/** What multipart writes round a file. */
const FRAME_BYTES = 64 * 1024;
const TAKEN_TYPES =
  'multipart/form-data with one file, or the image itself as image/* or application/octet-stream';

const binary = { schema: Type.String({ format: 'binary' }) };
const tags = ['uploads'];
const schema = {
  summary: 'Send an image for jobs to use',
  description:
    `A PNG, JPEG or WebP of at most ${INPUT_LIMITS.fileBytes} bytes, told by its content: as the one file of a form, or as ` +
    'the whole body. It is kept as a PNG in sRGB, turned as its EXIF says and without metadata, for as long as it is used.',
  tags,
  body: {
    content: {
      'multipart/form-data': { schema: Type.Object({ file: Type.String({ format: 'binary' }) }) },
      'application/octet-stream': binary,
      'image/*': binary,
    },
  },
  response: { 201: answer('The image is kept; Location leads to it', Upload), ...PROBLEMS },
};

interface Parts {
  readonly config: Pick<Config, 'inputTtlMs' | 'publicUrl'>;
  readonly intake: ImageIntake;
}

/** In an instance of its own: no other route takes such bodies. */
export async function uploadRoutes(app: App, parts: Parts): Promise<void> {
  await readFileBodies(app);
  // Bodies are no JSON; the intake says what is wrong with them.
  const options = { bodyLimit: INPUT_LIMITS.fileBytes + FRAME_BYTES, validatorCompiler: () => () => true };
  app.post('/uploads', { schema, ...options }, async (request, reply) => {
    const file = await fileOf(request);
    const stored = await parts.intake.take(file, request.tenant, { field: FILE });
    const location = `${originOf(request, parts.config.publicUrl)}/v1/uploads/${stored.id}`;
    return reply.code(201).header('location', location).send(viewOf(stored, parts));
  });
  lookRoute(app, parts);
}

function lookRoute(app: App, parts: Parts): void {
  const look = {
    summary: 'One upload',
    description: 'Looking at it counts as using it.',
    tags,
    params: Type.Object({ id: Type.String() }),
    response: { 200: answer('The image that is kept', Upload), ...PROBLEMS },
  };
  app.get('/uploads/:id', { schema: look }, async ({ params: { id }, tenant }) => {
    const found = isUploadId(id) ? await parts.intake.find(id, tenant) : undefined;
    if (found === undefined)
      throw new KilnError('not_found', 'There is no upload with this id, or no longer');
    return viewOf(found, parts);
  });
}

function viewOf({ id, width, height, bytes }: StoredInput, { config }: Parts): Upload {
  return {
    id,
    width,
    height,
    bytes,
    sha256: id.slice('up_'.length),
    content_type: INPUT_TYPE,
    expires_at: new Date(Date.now() + config.inputTtlMs).toISOString(),
  };
}

async function readFileBodies(app: App): Promise<void> {
  app.removeAllContentTypeParsers();
  const whole = { parseAs: 'buffer' } as const;
  for (const type of ['application/octet-stream', /^image\//]) {
    app.addContentTypeParser(type, whole, (_request, body, done) => done(null, body));
  }
  app.addContentTypeParser('*', (_request, _body, done) => {
    done(new KilnError('unsupported_media_type', `The body must be ${TAKEN_TYPES}`));
  });
  await app.register(multipart, {
    limits: {
      fileSize: INPUT_LIMITS.fileBytes,
      files: 1,
      fields: 8,
      fieldSize: 1_024,
      parts: 9,
      headerPairs: 16,
    },
  });
}

async function fileOf(request: FastifyRequest): Promise<Uint8Array> {
  const file = request.isMultipart() ? await fileOfForm(request) : request.body;
  if (file instanceof Uint8Array) {
    if (file.length > INPUT_LIMITS.fileBytes) throw tooLarge();
    return file;
  }
  throw new KilnError('invalid_request', 'There is no file in the request', {
    faults: [{ field: FILE, message: `is required: ${TAKEN_TYPES}` }],
  });
}

/** Reads to the end of the body: a form that is cut off behind its file is no whole request either. */
async function fileOfForm(request: FastifyRequest): Promise<Uint8Array | undefined> {
  let file: Uint8Array | undefined;
  try {
    for await (const part of request.parts()) {
      if (part.type === 'file') file = await part.toBuffer();
    }
  } catch (error) {
    throw formFault(error, 'One file is taken at a time', tooLarge);
  }
  return file;
}

function tooLarge(cause?: unknown): KilnError {
  return new KilnError('payload_too_large', `The file may have at most ${INPUT_LIMITS.fileBytes} bytes`, {
    cause,
  });
}
