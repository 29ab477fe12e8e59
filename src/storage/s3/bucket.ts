/** One bucket and the prefix in it: what every operation of the store has in common. */
import {
  HeadObjectCommand,
  ListObjectsV2Command,
  type HeadObjectCommandOutput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { checkKey, folderOf, keyFault, MAX_KEY_BYTES } from '../key-rules.ts';
import { StoreError } from '../store-error.ts';
import type { S3Settings } from '../store-settings.ts';
import { isAbsent, S3Fault, toFault } from './s3-fault.ts';

/** As commands of the SDK name an object. */
export interface S3Object {
  readonly Bucket: string;
  readonly Key: string;
}

export interface ListedObject {
  readonly key: string;
  readonly time: Date | undefined;
}

interface ListPage {
  readonly objects: readonly ListedObject[];
  readonly next: string | undefined;
}

/** In a class named Bucket, TypeScript 7.0.2 would rename the property `Bucket` of every command. */
export class S3Bucket {
  readonly client: S3Client;
  readonly #settings: S3Settings;
  readonly #operationMs: number;

  constructor(client: S3Client, settings: S3Settings, operationMs: number) {
    this.client = client;
    this.#settings = settings;
    this.#operationMs = operationMs;
  }

  /** Rejects with a plain error for a bad key, and with a StoreError for everything that goes wrong later. */
  async attempt<Result>(
    key: string,
    done: string,
    action: (object: S3Object, abortSignal: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    const { bucket, prefix } = this.#settings;
    checkKey(key, MAX_KEY_BYTES - Buffer.byteLength(prefix));
    const object = { Bucket: bucket, Key: prefix + key };
    const result = await this.#within({ key, done }, (abortSignal) => action(object, abortSignal));
    return result;
  }

  head(object: S3Object, abortSignal: AbortSignal): Promise<HeadObjectCommandOutput | undefined> {
    return unlessAbsent(this.client.send(new HeadObjectCommand(object), { abortSignal }));
  }

  /** Each page has its own deadline; a list may be long. */
  async *pages(prefix: string, pageSize: number): AsyncGenerator<readonly ListedObject[]> {
    folderOf(prefix);
    let token: string | undefined;
    do {
      const page = await this.#page(prefix, pageSize, token);
      yield page.objects;
      token = page.next;
    } while (token !== undefined);
  }

  #page(prefix: string, pageSize: number, token: string | undefined): Promise<ListPage> {
    const { bucket, prefix: ours } = this.#settings;
    return this.#within({ subject: 'folder', key: prefix, done: 'listed' }, async (abortSignal) => {
      const list = new ListObjectsV2Command({
        Bucket: bucket,
        Prefix: ours + prefix,
        MaxKeys: pageSize,
        ...(token === undefined ? {} : { ContinuationToken: token }),
      });
      const answer = await this.client.send(list, { abortSignal });
      const next = answer.IsTruncated === true ? answer.NextContinuationToken : undefined;
      if (answer.IsTruncated === true && (next === undefined || next === token))
        throw new S3Fault('BadList', 'the list is not at its end, but leads nowhere');
      const objects = (answer.Contents ?? [])
        .map(({ Key: key = '', LastModified: time }) => ({ key: key.slice(ours.length), time }))
        // Consoles make objects with a slash at the end, to have a folder to show.
        .filter(({ key }) => keyFault(key) === undefined);
      return { objects, next };
    });
  }

  async #within<Result>(
    call: ConstructorParameters<typeof StoreError>[0],
    action: (abortSignal: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    const deadline = AbortSignal.timeout(this.#operationMs);
    try {
      return await action(deadline);
    } catch (error) {
      const fault = deadline.aborted
        ? new S3Fault('TimedOut', `there was no end after ${this.#operationMs} ms`)
        : toFault(error, this.#settings.credentials?.accessKeyId ?? null);
      throw new StoreError(call, fault);
    }
  }
}

export async function unlessAbsent<Answer>(answer: Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}
