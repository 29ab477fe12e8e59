/** Bodies of answers, held against what their headers promised: what comes over a network may end early. */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { GetObjectCommandOutput } from '@aws-sdk/client-s3';
import { S3Fault } from './s3-fault.ts';

/** Name of our own metadata; the header is `x-amz-meta-sha256`. */
export const SHA256 = 'sha256';

export function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** The whole object. Throws when it is shorter, longer or other than it was put. */
export async function readWhole(answer: GetObjectCommandOutput): Promise<Uint8Array> {
  const { ContentLength: promised, Metadata: metadata } = answer;
  const bytes = await collect(bodyOf(answer), promised ?? Infinity);
  if (promised !== undefined && bytes.length !== promised)
    throw new S3Fault('Truncated', `the body ended after ${bytes.length} of ${promised} bytes`);
  const expected = metadata?.[SHA256];
  // Objects that something else put there have none.
  if (expected !== undefined && expected !== sha256Of(bytes))
    throw new S3Fault('Damaged', `the ${bytes.length} bytes that came are not those that were put`);
  return bytes;
}

/** At most `length` bytes; the rest is not waited for. */
export function readFirst(answer: GetObjectCommandOutput, length: number): Promise<Uint8Array> {
  return collect(bodyOf(answer), length);
}

function bodyOf({ Body: body }: GetObjectCommandOutput): Readable {
  if (body instanceof Readable) return body;
  throw new S3Fault('NoBody', 'the answer has no body');
}

async function collect(body: Readable, limit: number): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    length += chunk.length;
    // Leaving the loop destroys the body, and with it the connection.
    if (length > limit) break;
  }
  return Buffer.concat(chunks, Math.min(length, limit));
}
