/** AWS Signature Version 4 as a server checks it, written from its specification and not with the client's own signer. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

export interface SigningKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface SignedRequest {
  readonly request: IncomingMessage;
  readonly url: URL;
  readonly body: Buffer;
  readonly now: number;
}

const MAX_SKEW_MS = 15 * 60 * 1_000;

interface Claim {
  readonly accessKeyId: string;
  readonly scope: string;
  readonly time: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  readonly payload: string;
}

/** S3's code of what is wrong with the signature of a request; undefined when it is right. */
export function signatureFault(signed: SignedRequest, key: SigningKey): string | undefined {
  const { url, request, body, now } = signed;
  const isLink = url.searchParams.has('X-Amz-Signature');
  const claim = isLink ? claimOfLink(url) : claimOfHeaders(request);
  if (claim === undefined) return 'AccessDenied';
  if (claim.accessKeyId !== key.accessKeyId) return 'InvalidAccessKeyId';
  const age = now - timeOf(claim.time);
  const seconds = Number(url.searchParams.get('X-Amz-Expires'));
  if (isLink ? age > seconds * 1_000 : Math.abs(age) > MAX_SKEW_MS)
    return isLink ? 'AccessDenied' : 'RequestTimeTooSkewed';
  if (!isLink && claim.payload !== 'UNSIGNED-PAYLOAD' && claim.payload !== sha256(body))
    return 'XAmzContentSHA256Mismatch';
  const expected = Buffer.from(signatureOf(claim, signed, key));
  const given = Buffer.from(claim.signature);
  return expected.length === given.length && timingSafeEqual(expected, given)
    ? undefined
    : 'SignatureDoesNotMatch';
}

function claimOfHeaders({ headers }: IncomingMessage): Claim | undefined {
  const parts =
    /^AWS4-HMAC-SHA256 Credential=([^/,]+)\/([^,]+), ?SignedHeaders=([^,]+), ?Signature=(\w+)$/.exec(
      headers.authorization ?? '',
    );
  const time = headers['x-amz-date'];
  const payload = headers['x-amz-content-sha256'];
  if (parts === null || typeof time !== 'string' || typeof payload !== 'string') return undefined;
  const [, accessKeyId = '', scope = '', signedHeaders = '', signature = ''] = parts;
  return { accessKeyId, scope, time, signedHeaders: signedHeaders.split(';'), signature, payload };
}

function claimOfLink({ searchParams }: URL): Claim {
  const value = (name: string): string => searchParams.get(`X-Amz-${name}`) ?? '';
  const [accessKeyId = '', ...scope] = value('Credential').split('/');
  return {
    accessKeyId,
    scope: scope.join('/'),
    time: value('Date'),
    signedHeaders: value('SignedHeaders').split(';'),
    signature: value('Signature'),
    payload: searchParams.get('X-Amz-Content-Sha256') ?? 'UNSIGNED-PAYLOAD',
  };
}

function signatureOf(claim: Claim, { request, url }: SignedRequest, key: SigningKey): string {
  const headers = claim.signedHeaders.map(
    (name) => `${name}:${String(request.headers[name] ?? '').trim()}\n`,
  );
  const canonical = [
    request.method,
    url.pathname,
    canonicalQuery(url.searchParams),
    headers.join(''),
    claim.signedHeaders.join(';'),
    claim.payload,
  ].join('\n');
  const text = ['AWS4-HMAC-SHA256', claim.time, claim.scope, sha256(Buffer.from(canonical))].join('\n');
  const signingKey = claim.scope.split('/').reduce(hmac, Buffer.from(`AWS4${key.secretAccessKey}`));
  return hmac(signingKey, text).toString('hex');
}

function canonicalQuery(query: URLSearchParams): string {
  return [...query]
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .toSorted()
    .join('&');
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** `20261120T185552Z` -> milliseconds since the epoch. */
function timeOf(basic: string): number {
  return Date.parse(basic.replace(/^(\d{4})(\d\d)(\d\dT\d\d)(\d\d)(\d\dZ)$/, '$1-$2-$3:$4:$5'));
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
