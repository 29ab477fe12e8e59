/**
 * Objects in an S3 bucket. It asks for little, so that every server that speaks S3 can answer: puts of known length,
 * single deletes, no conditional writes, no checksums but Content-MD5. What it relies on, it looks at itself: a put by
 * HEAD, a get by the SHA-256 that each object has as metadata.
 */
import { createHash } from 'node:crypto';
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  PutObjectCommand,
  type HeadObjectCommandOutput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { inParallel } from '../in-parallel.ts';
import type { LinkOptions, ObjectStart, ObjectStore } from '../object-store.ts';
import type { S3Settings } from '../store-settings.ts';
import { S3Bucket, unlessAbsent } from './bucket.ts';
import { s3Client, type Patience } from './client.ts';
import { readFirst, readWhole, sha256Of, SHA256 } from './read-body.ts';
import { isAbsent, isBehindEnd, isReplaced, S3Fault } from './s3-fault.ts';

/**
 * A touch of an object younger than this does nothing, and a sweep lets objects grow older by as much: the many jobs of
 * one popular image then cost one copy a minute, not one each.
 */
const YOUNG_MS = 60_000;
const DELETES_AT_ONCE = 16;
/** Reads of one object: the SDK's own tries end with the headers of an answer. */
const BODY_TRIES = 3;
/** A slow line may take so long for each byte beyond the usual wait for an answer: 1 MB/s. */
const PUT_MS_PER_BYTE = 1 / 1_000;

export interface S3StoreOptions {
  readonly patience: Patience;
  readonly youngMs?: number;
  readonly now?: () => number;
  /** Keys in one answer to a list. */
  readonly pageSize?: number;
}

export class S3Store implements ObjectStore {
  readonly #settings: S3Settings;
  readonly #bucket: S3Bucket;
  /** Signs links for the address that callers use. */
  readonly #signer: S3Client;
  readonly #patience: Patience;
  readonly #youngMs: number;
  readonly #now: () => number;
  readonly #pageSize: number;

  constructor(settings: S3Settings, options: S3StoreOptions) {
    this.#settings = settings;
    this.#patience = options.patience;
    this.#youngMs = options.youngMs ?? YOUNG_MS;
    this.#now = options.now ?? Date.now;
    this.#pageSize = options.pageSize ?? 1_000;
    const client = s3Client(settings, options.patience);
    this.#bucket = new S3Bucket(client, settings, options.patience.operationMs);
    this.#signer =
      settings.publicEndpoint === null
        ? client
        : s3Client(settings, options.patience, settings.publicEndpoint);
  }

  /** Throws when neither the settings nor the AWS environment name a region. */
  async checkRegion(): Promise<void> {
    try {
      await this.#bucket.client.config.region();
    } catch (error) {
      throw new Error('KILN_S3_REGION is not set, and the AWS environment names no region', { cause: error });
    }
  }

  put(key: string, bytes: Uint8Array, contentType: string): Promise<void> {
    const sha256 = sha256Of(bytes);
    return this.#bucket.attempt(key, 'written', async (object, abortSignal) => {
      await this.#bucket.client.send(
        new PutObjectCommand({
          ...object,
          Body: bytes,
          ContentLength: bytes.length,
          ContentType: contentType,
          ContentMD5: createHash('md5').update(bytes).digest('base64'),
          Metadata: { [SHA256]: sha256 },
        }),
        { abortSignal, requestTimeout: this.#patience.answerMs + bytes.length * PUT_MS_PER_BYTE },
      );
      refuseHalf(await this.#bucket.head(object, abortSignal), { sha256, length: bytes.length });
    });
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.#bucket.attempt(key, 'read', async (object, abortSignal) => {
      for (let tries = 1; ; tries++) {
        const answer = await unlessAbsent(
          this.#bucket.client.send(new GetObjectCommand(object), { abortSignal }),
        );
        if (answer === undefined) return undefined;
        try {
          return await readWhole(answer);
        } catch (error) {
          if (tries === BODY_TRIES || abortSignal.aborted) throw error;
        }
      }
    });
  }

  getStart(key: string, length: number): Promise<ObjectStart | undefined> {
    return this.#bucket.attempt(key, 'read', async (object, abortSignal) => {
      try {
        const range = { ...object, Range: `bytes=0-${Math.max(length, 1) - 1}` };
        const answer = await this.#bucket.client.send(new GetObjectCommand(range), { abortSignal });
        // A server that does not know ranges sends the whole, and no range with it.
        const total = answer.ContentRange?.split('/').at(-1) ?? answer.ContentLength;
        const size = Number(total);
        if (!Number.isSafeInteger(size)) throw new S3Fault('NoLength', 'the answer does not tell the size');
        const start = await readFirst(answer, Math.min(length, size));
        if (start.length < Math.min(length, size))
          throw new S3Fault('Truncated', `the body ended after ${start.length} bytes`);
        return { start, size };
      } catch (error) {
        if (isAbsent(error)) return undefined;
        if (isBehindEnd(error)) return { start: new Uint8Array(), size: 0 };
        throw error;
      }
    });
  }

  /** S3 has no way to change an object's time but to copy it onto itself. */
  touch(key: string): Promise<boolean> {
    return this.#bucket.attempt(key, 'touched', async (object, abortSignal) => {
      const head = await this.#bucket.head(object, abortSignal);
      if (head === undefined) return false;
      if (this.#isYoung(head.LastModified)) return true;
      try {
        await this.#bucket.client.send(
          new CopyObjectCommand({
            ...object,
            CopySource: [object.Bucket, ...object.Key.split('/')].map(encodeURIComponent).join('/'),
            // Metadata of another put than the bytes are of would make the object unreadable.
            ...(this.#settings.hasConditionalCopy ? { CopySourceIfMatch: head.ETag } : {}),
            MetadataDirective: 'REPLACE',
            Metadata: head.Metadata,
            ContentType: head.ContentType,
          }),
          { abortSignal },
        );
        return true;
      } catch (error) {
        if (isAbsent(error)) return false;
        // Put again this very moment: nothing is younger.
        if (isReplaced(error)) return true;
        throw error;
      }
    });
  }

  async list(prefix: string): Promise<string[]> {
    const keys: string[] = [];
    for await (const page of this.#bucket.pages(prefix, this.#pageSize))
      keys.push(...page.map(({ key }) => key));
    return keys;
  }

  delete(key: string): Promise<void> {
    return this.#bucket.attempt(key, 'deleted', async (object, abortSignal) => {
      await unlessAbsent(this.#bucket.client.send(new DeleteObjectCommand(object), { abortSignal }));
    });
  }

  /** Single deletes: several servers refuse the batch that the SDK sends. */
  async deleteUnused(prefix: string, ageMs: number): Promise<number> {
    let count = 0;
    for await (const page of this.#bucket.pages(prefix, this.#pageSize)) {
      const oldest = this.#now() - ageMs - this.#youngMs;
      const isOld = (time: Date | undefined): boolean => time !== undefined && time.getTime() <= oldest;
      const old = page.filter(({ time }) => isOld(time));
      await inParallel(old, DELETES_AT_ONCE, async ({ key }) => {
        // Not the time of the list: the object may have been used since.
        const head = await this.#bucket.attempt(key, 'looked at', (object, signal) =>
          this.#bucket.head(object, signal),
        );
        if (!isOld(head?.LastModified)) return;
        await this.delete(key);
        count++;
      });
    }
    return count;
  }

  signLink(key: string, link: LinkOptions): Promise<string | undefined> {
    if (!this.#settings.presign) return Promise.resolve(undefined);
    return this.#bucket.attempt(key, 'signed for', async (object, abortSignal) => {
      // A link to nothing would be answered in XML, by a stranger.
      if ((await this.#bucket.head(object, abortSignal)) === undefined) return undefined;
      const { contentType, contentDisposition, seconds } = link;
      const command = new GetObjectCommand({
        ...object,
        ResponseContentType: contentType,
        ResponseContentDisposition: contentDisposition,
      });
      return getSignedUrl(this.#signer, command, { expiresIn: seconds });
    });
  }

  #isYoung(time: Date | undefined): boolean {
    const age = this.#now() - (time?.getTime() ?? 0);
    // A time to come is a wrong clock, and proves nothing.
    return age >= 0 && age < this.#youngMs;
  }
}

/** Of an object with other metadata nothing can be said: another put has replaced ours, and the last one counts. */
function refuseHalf(
  head: HeadObjectCommandOutput | undefined,
  put: { readonly sha256: string; readonly length: number },
): void {
  if (head === undefined) throw new S3Fault('NotKept', 'the put was confirmed, but there is no object');
  const theirs = head.Metadata?.[SHA256];
  if (theirs !== undefined && theirs !== put.sha256) return;
  if (head.ContentLength !== put.length)
    throw new S3Fault(
      'NotKept',
      `the put was confirmed, but the object has ${head.ContentLength ?? 'no'} bytes and not ${put.length}`,
    );
}
