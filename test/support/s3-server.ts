/**
 * A small S3 server over real HTTP, for what must run everywhere and at once. It checks signatures, digests and
 * conditions, keeps objects in memory and ends each connection with its answer, so that a fault of a connection is a fault
 * of one request. It knows what Kiln asks for and nothing else.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { Secret } from '../../src/storage/secret.ts';
import type { S3Settings } from '../../src/storage/store-settings.ts';
import { signatureFault } from './s3-signature.ts';

export const S3_KEY = { accessKeyId: 'KILNTESTKEY', secretAccessKey: 'kiln/test+secret' };
const BUCKET = 'kiln-test';

export interface KeptObject {
  readonly bytes: Buffer;
  readonly contentType: string;
  readonly metadata: Readonly<Record<string, string>>;
  time: number;
}

export interface TestS3 {
  readonly port: number;
  readonly url: string;
  /** By their whole keys, prefix included. */
  readonly objects: Map<string, KeptObject>;
  /** Of every request that came, in order: method and path, `+copy` for a copy. */
  readonly requests: string[];
  /** What its clock shows beyond ours, in ms. */
  skewMs: number;
  /** Settings of a store in it. */
  settings(changes?: Partial<S3Settings>): S3Settings;
  stop(): Promise<void>;
}

export async function startS3(): Promise<TestS3> {
  const objects = new Map<string, KeptObject>();
  const requests: string[] = [];
  const server = createServer((request, response) => {
    void answer({ request, response, s3 });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the S3 server has no port');
  const url = `http://127.0.0.1:${address.port}`;
  const s3: TestS3 = {
    port: address.port,
    url,
    objects,
    requests,
    skewMs: 0,
    settings: (changes = {}) => ({ ...SETTINGS, endpoint: url, ...changes }),
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return s3;
}

const SETTINGS: S3Settings = {
  kind: 's3',
  preset: 'minio',
  bucket: BUCKET,
  prefix: 'farm/',
  endpoint: null,
  publicEndpoint: null,
  region: 'us-east-1',
  credentials: {
    accessKeyId: S3_KEY.accessKeyId,
    secretAccessKey: new Secret(S3_KEY.secretAccessKey),
  },
  forcePathStyle: true,
  hasConditionalCopy: true,
  presign: true,
};

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly s3: TestS3;
}

/** What the handlers below work on. */
interface Call extends Exchange {
  readonly url: URL;
  readonly key: string;
  readonly body: Buffer;
  readonly now: number;
}

async function answer({ request, response, s3 }: Exchange): Promise<void> {
  const url = new URL(request.url ?? '/', s3.url);
  const body = await buffer(request).catch(() => undefined);
  if (body === undefined) return;
  const isCopy = request.headers['x-amz-copy-source'] !== undefined;
  s3.requests.push(`${request.method ?? ''}${isCopy ? '+copy' : ''} ${url.pathname}`);
  const now = Date.now() + s3.skewMs;
  response.setHeader('connection', 'close');
  response.setHeader('date', new Date(now).toUTCString());
  const [, bucket = '', ...parts] = url.pathname.split('/').map(decodeURIComponent);
  const call = { request, response, s3, url, body, now, key: parts.join('/') };
  const fault = signatureFault({ request, url, body, now }, S3_KEY);
  if (fault !== undefined) return refuse(call, 403, fault);
  if (bucket !== BUCKET) return refuse(call, 404, 'NoSuchBucket');
  if (call.key === '') return list(call);
  operationOf(request.method, isCopy)(call);
}

function operationOf(method: string | undefined, isCopy: boolean): (call: Call) => void {
  if (method === 'PUT') return isCopy ? copy : put;
  return method === 'DELETE' ? remove : get;
}

function remove({ s3, key, response }: Call): void {
  s3.objects.delete(key);
  response.writeHead(204).end();
}

function put(call: Call): void {
  const { request, body, s3, key, now, response } = call;
  if (request.headers['content-length'] === undefined) return refuse(call, 411, 'MissingContentLength');
  const md5 = request.headers['content-md5'];
  if (md5 !== undefined && md5 !== digest(body, 'base64')) return refuse(call, 400, 'BadDigest');
  s3.objects.set(key, { bytes: body, ...headersOf(request), time: now });
  response.writeHead(200, { etag: etagOf(body) }).end();
}

function copy(call: Call): void {
  const { request, s3, key, now, response } = call;
  const [, ...source] = String(request.headers['x-amz-copy-source'])
    .replace(/^\//, '')
    .split('/')
    .map(decodeURIComponent);
  const found = s3.objects.get(source.join('/'));
  if (found === undefined) return refuse(call, 404, 'NoSuchKey');
  const match = request.headers['x-amz-copy-source-if-match'];
  if (match !== undefined && match !== etagOf(found.bytes)) return refuse(call, 412, 'PreconditionFailed');
  if (request.headers['x-amz-metadata-directive'] !== 'REPLACE') return refuse(call, 400, 'InvalidRequest');
  s3.objects.set(key, { bytes: found.bytes, ...headersOf(request), time: now });
  const time = new Date(now).toISOString();
  response.end(
    `<CopyObjectResult><ETag>${etagOf(found.bytes)}</ETag><LastModified>${time}</LastModified></CopyObjectResult>`,
  );
}

function get(call: Call): void {
  const { request, response, s3, key, url } = call;
  const found = s3.objects.get(key);
  if (found === undefined) return refuse(call, 404, 'NoSuchKey');
  const { bytes, contentType, metadata, time } = found;
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
  const [from, to] =
    range === null ? [0, bytes.length] : [Number(range[1]), Math.min(Number(range[2]) + 1, bytes.length)];
  if (range !== null && from >= bytes.length) return refuse(call, 416, 'InvalidRange');
  const disposition = url.searchParams.get('response-content-disposition');
  response.writeHead(range === null ? 200 : 206, {
    etag: etagOf(bytes),
    'last-modified': new Date(time).toUTCString(),
    'content-type': url.searchParams.get('response-content-type') ?? contentType,
    'content-length': to - from,
    ...(range === null ? {} : { 'content-range': `bytes ${from}-${to - 1}/${bytes.length}` }),
    ...(disposition === null ? {} : { 'content-disposition': disposition }),
    ...Object.fromEntries(Object.entries(metadata).map(([name, value]) => [`x-amz-meta-${name}`, value])),
  });
  response.end(request.method === 'HEAD' ? undefined : bytes.subarray(from, to));
}

function list(call: Call): void {
  const { url, s3, response } = call;
  const prefix = url.searchParams.get('prefix') ?? '';
  const after = url.searchParams.get('continuation-token') ?? '';
  const size = Number(url.searchParams.get('max-keys') ?? 1_000);
  const keys = [...s3.objects.keys()].filter((key) => key.startsWith(prefix) && key > after).toSorted();
  const page = keys.slice(0, size);
  const isCut = page.length < keys.length;
  const contents = page.map((key) => {
    const time = new Date(s3.objects.get(key)?.time ?? 0).toISOString();
    return `<Contents><Key>${escapeXml(key)}</Key><LastModified>${time}</LastModified></Contents>`;
  });
  const next = isCut ? `<NextContinuationToken>${escapeXml(page.at(-1) ?? '')}</NextContinuationToken>` : '';
  response.end(
    `<ListBucketResult><IsTruncated>${isCut}</IsTruncated>${next}${contents.join('')}</ListBucketResult>`,
  );
}

/** Says what real servers say, the access key included. */
function refuse({ request, response }: Call, status: number, code: string): void {
  const text =
    `<?xml version="1.0"?><Error><Code>${code}</Code><Message>The key ${S3_KEY.accessKeyId} may not</Message>` +
    `<AWSAccessKeyId>${S3_KEY.accessKeyId}</AWSAccessKeyId><StringToSign>AWS4</StringToSign></Error>`;
  response.writeHead(status, { 'content-type': 'application/xml' });
  response.end(request.method === 'HEAD' ? undefined : text);
}

function headersOf({ headers }: IncomingMessage): Pick<KeptObject, 'contentType' | 'metadata'> {
  const metadata = Object.entries(headers)
    .filter(([name]) => name.startsWith('x-amz-meta-'))
    .map(([name, value]) => [name.slice('x-amz-meta-'.length), String(value)]);
  return { contentType: headers['content-type'] ?? '', metadata: Object.fromEntries(metadata) };
}

function etagOf(bytes: Buffer): string {
  return `"${digest(bytes, 'hex')}"`;
}

function digest(bytes: Buffer, encoding: 'hex' | 'base64'): string {
  return createHash('md5').update(bytes).digest(encoding);
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
