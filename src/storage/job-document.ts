/** `job.json`: the record of a job at its end. It answers for the job once the record has expired in Redis. */
import { toJobRecord } from '../job-json.ts';
import type { JobRecord } from '../domain/job.ts';

const SCHEMA = 1;

/** UTF-8 of `{ schema: 1, record }`. */
export function jobDocument(record: JobRecord): Uint8Array {
  return Buffer.from(JSON.stringify({ schema: SCHEMA, record }));
}

/** Throws when the bytes are not such a document. Unknown fields are ignored, an unknown schema is not. */
export function parseJobDocument(bytes: Uint8Array): JobRecord {
  const document = parse(bytes);
  if (
    typeof document !== 'object' ||
    document === null ||
    !('schema' in document) ||
    !('record' in document)
  ) {
    throw new Error('a job document must hold schema and record');
  }
  if (document.schema !== SCHEMA) {
    throw new Error(`a job document has schema ${String(document.schema)}; this version reads ${SCHEMA}`);
  }
  return toJobRecord(document.record, 'a job document');
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new Error('a job document is not JSON in UTF-8', { cause: error });
  }
}
