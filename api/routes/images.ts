import { Type } from 'typebox';
import { KilnError } from '../../src/domain/errors.ts';
import type { JobRecord, RenderedImage } from '../../src/domain/job.ts';
import type { JobReader } from '../job-reader.ts';
import type { App, ApiParts } from '../parts.ts';
import { PROBLEMS } from '../schemas.ts';

const LATENTS = 'latents-';

const Params = Type.Object({
  id: Type.String(),
  name: Type.String({ description: 'The number of the image, `depth-map`, or `latents-` and a number' }),
});
/** Both optional here: a link without them is a wrong link (403), not a malformed request. */
const Query = Type.Object({ expires: Type.Optional(Type.String()), signature: Type.Optional(Type.String()) });

/** Of the store's own address: long enough for a slow start, too short to pass on. */
const DIRECT_SECONDS = 300;

const binary = { schema: Type.String({ format: 'binary' }) };

const schema = {
  summary: 'One image, by the signed link from its job',
  description:
    'Needs no API key. Depending on where the farm keeps images, the answer is the image or leads to it; a client that ' +
    'follows redirects need not care. The ETag is the SHA-256 of the image.',
  tags: ['jobs'],
  security: [],
  params: Params,
  querystring: Query,
  response: {
    200: { description: 'The image', content: { 'image/*': binary, 'application/octet-stream': binary } },
    302: { description: 'The image is at Location, for some minutes', type: 'null' },
    304: { description: 'The image that If-None-Match names', type: 'null' },
    ...PROBLEMS,
  },
};

export function imageRoutes(app: App, parts: Pick<ApiParts, 'store'> & { reader: JobReader }): void {
  const { reader, store } = parts;
  app.get('/v1/jobs/:id/images/:name', { schema }, async (request, reply) => {
    const { params, query } = request;
    const ref = { tenant: request.tenant, id: params.id };
    const link = { name: params.name, expires: query.expires ?? '', signature: query.signature ?? '' };
    const seconds = await reader.links.remaining(ref, link);
    if (seconds === 0) {
      throw new KilnError('link_refused', 'This link has expired or was changed; the job has a fresh one');
    }
    const record = await reader.record(ref);
    const image = namedImage(record, params.name);
    if (image === undefined) throw missingImage(params.name);

    const etag = `"${image.sha256}"`;
    const caching = { etag, 'cache-control': `private, max-age=${seconds}, immutable` };
    reply.header('cross-origin-resource-policy', 'cross-origin');
    if (request.headers['if-none-match'] === etag) return reply.code(304).headers(caching).send();
    const contentDisposition = `inline; filename="${fileName(record.id, params.name, image)}"`;
    const options = {
      seconds: Math.min(seconds, DIRECT_SECONDS),
      contentType: image.contentType,
      contentDisposition,
    };
    // An address is signed for one method: a look at the headers is answered here.
    const direct = request.method === 'HEAD' ? undefined : await store.signLink(image.key, options);
    if (direct !== undefined) return reply.header('cache-control', 'no-store').redirect(direct, 302);
    const bytes = await store.get(image.key);
    if (bytes === undefined) throw missingImage(params.name);
    reply.headers({
      ...caching,
      'content-type': image.contentType,
      'content-disposition': contentDisposition,
    });
    return reply.send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  });
}

function namedImage({ result }: JobRecord, name: string): RenderedImage | undefined {
  if (name === 'depth-map') return result?.depthMap ?? undefined;
  if (name.startsWith(LATENTS)) return result?.latents.find(({ n }) => `${LATENTS}${n}` === name);
  return result?.images.find(({ n }) => String(n) === name);
}

/** Made of a checked id, a name that an image has and our own extension, so it needs no quoting. */
function fileName(id: string, name: string, image: RenderedImage): string {
  return `${id}-${name}.${image.key.split('.').at(-1) ?? 'bin'}`;
}

function missingImage(name: string): KilnError {
  return new KilnError('not_found', `The job has no image ${name}`);
}
