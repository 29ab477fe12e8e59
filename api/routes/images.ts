import { Type } from 'typebox';
import { KilnError } from '../../src/domain/errors.ts';
import type { JobRecord, RenderedImage } from '../../src/domain/job.ts';
import type { JobReader } from '../job-reader.ts';
import type { App, ApiParts } from '../parts.ts';
import { PROBLEMS } from '../schemas.ts';

const Params = Type.Object({
  id: Type.String(),
  name: Type.String({ description: 'The number of the image, or `depth-map`' }),
});
/** Both optional here: a link without them is a wrong link (403), not a malformed request. */
const Query = Type.Object({ expires: Type.Optional(Type.String()), signature: Type.Optional(Type.String()) });

const schema = {
  summary: 'One image, by the signed link from its job',
  description: 'Needs no API key. The ETag is the SHA-256 of the image.',
  tags: ['jobs'],
  security: [],
  params: Params,
  querystring: Query,
  response: {
    200: { description: 'The image', content: { 'image/*': { schema: Type.String({ format: 'binary' }) } } },
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
    reply.headers({
      etag,
      'cache-control': `private, max-age=${seconds}, immutable`,
      'cross-origin-resource-policy': 'cross-origin',
    });
    if (request.headers['if-none-match'] === etag) return reply.code(304).send();
    const bytes = await store.get(image.key);
    if (bytes === undefined) throw missingImage(params.name);
    reply.headers({
      'content-type': image.contentType,
      'content-disposition': `inline; filename="${fileName(record.id, params.name, image)}"`,
    });
    return reply.send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  });
}

function namedImage({ result }: JobRecord, name: string): RenderedImage | undefined {
  if (name === 'depth-map') return result?.depthMap ?? undefined;
  return result?.images.find(({ n }) => String(n) === name);
}

/** Made of a checked id, a name that an image has and our own extension, so it needs no quoting. */
function fileName(id: string, name: string, image: RenderedImage): string {
  return `${id}-${name}.${image.key.split('.').at(-1) ?? 'bin'}`;
}

function missingImage(name: string): KilnError {
  return new KilnError('not_found', `The job has no image ${name}`);
}
