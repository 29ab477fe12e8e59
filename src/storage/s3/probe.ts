/** What a diagnosis asks of a bucket beyond what the store does. */
import { GetObjectCommand, HeadBucketCommand, type S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import type { S3Settings } from '../store-settings.ts';
import { s3Client, type Patience } from './client.ts';
import { toFault } from './s3-fault.ts';

const HOUR_MS = 3_600_000;
const LINK_SECONDS = 60;

export class S3Probe {
  readonly #settings: S3Settings;
  readonly #client: S3Client;
  readonly #signer: S3Client;
  #date: string | undefined;

  constructor(settings: S3Settings, patience: Patience) {
    this.#settings = settings;
    this.#client = s3Client(settings, patience);
    this.#signer = s3Client(settings, patience, settings.publicEndpoint ?? settings.endpoint);
    // Innermost: it sees the answers that the SDK turns into errors, too.
    this.#client.middlewareStack.add(
      (next) => async (args) => {
        const result = await next(args);
        this.#date = dateOf(result.response) ?? this.#date;
        return result;
      },
      { step: 'deserialize', priority: 'low' },
    );
  }

  /** Throws when there is no such bucket, or it may not be listed. */
  async lookAtBucket(): Promise<void> {
    try {
      await this.#client.send(new HeadBucketCommand({ Bucket: this.#settings.bucket }));
    } catch (error) {
      throw toFault(error, this.#settings.credentials?.accessKeyId ?? null);
    }
  }

  /** The server's time in its last answer, a refusal included, to the second; undefined when none came. */
  serverTime(): number | undefined {
    return this.#date === undefined ? undefined : Date.parse(this.#date);
  }

  /** A link that was signed an hour ago, for a minute. */
  expiredLink(key: string): Promise<string> {
    const { bucket, prefix } = this.#settings;
    const command = new GetObjectCommand({ Bucket: bucket, Key: prefix + key });
    const signingDate = new Date(Date.now() - HOUR_MS);
    return getSignedUrl(this.#signer, command, { expiresIn: LINK_SECONDS, signingDate });
  }
}

function dateOf(response: unknown): string | undefined {
  if (typeof response !== 'object' || response === null || !('headers' in response)) return undefined;
  const { headers } = response;
  if (typeof headers !== 'object' || headers === null || !('date' in headers)) return undefined;
  return typeof headers.date === 'string' ? headers.date : undefined;
}
