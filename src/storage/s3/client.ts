/** The AWS SDK's client with the rules that keep a silent, slow or picky server from hanging or confusing a process. */
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import type { S3Settings } from '../store-settings.ts';

export interface Patience {
  /** For a connection, for the first byte of an answer, and for one silence within it. */
  readonly connectMs: number;
  readonly answerMs: number;
  /** Tries of each request, the first included. */
  readonly attempts: number;
  /** For a whole operation with all its requests: a server that sends one byte a second is never silent. */
  readonly operationMs: number;
}

/** For workers: to wait costs less than to render again. */
export const WORKER_PATIENCE: Patience = {
  connectMs: 2_000,
  answerMs: 15_000,
  attempts: 4,
  operationMs: 120_000,
};

/** For the API: behind it somebody waits who can come back, so a store that is down is told within three seconds. */
export const API_PATIENCE: Patience = {
  connectMs: 1_000,
  answerMs: 10_000,
  attempts: 2,
  operationMs: 60_000,
};

/** Without credentials in the settings the SDK looks where AWS's tools do: environment, profile, role of the machine. */
export function s3Client(settings: S3Settings, patience: Patience, endpoint = settings.endpoint): S3Client {
  return new S3Client({
    ...addressOf(settings, endpoint),
    ...credentialsOf(settings),
    forcePathStyle: settings.forcePathStyle,
    // By default the SDK sends and expects checksums in forms that several servers refuse or store inside the object.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    maxAttempts: patience.attempts,
    requestHandler: {
      connectionTimeout: patience.connectMs,
      requestTimeout: patience.answerMs,
      socketTimeout: patience.answerMs,
      // Otherwise the SDK only warns of a request that takes too long.
      throwOnRequestTimeout: true,
    },
  });
}

function addressOf({ region }: S3Settings, endpoint: string | null): S3ClientConfig {
  return { ...(endpoint === null ? {} : { endpoint }), ...(region === null ? {} : { region }) };
}

function credentialsOf({ credentials }: S3Settings): S3ClientConfig {
  if (credentials === null) return {};
  const { accessKeyId, secretAccessKey } = credentials;
  return { credentials: { accessKeyId, secretAccessKey: secretAccessKey.reveal() } };
}
