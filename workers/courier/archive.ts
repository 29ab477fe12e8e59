/** What outlives a job: its document beside its images, and nothing of the runs that did not win. */
import type { Logger } from 'pino';
import { isTerminal } from '../../src/domain/job-state.ts';
import type { JobRecord, JobRef } from '../../src/domain/job.ts';
import type { JobRecords } from '../../src/queue/job-records.ts';
import { jobLog } from '../../src/log.ts';
import { jobDocument } from '../../src/storage/job-document.ts';
import { fenceFolder, jobDocumentKey, jobFolder } from '../../src/storage/object-keys.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';

export interface ArchiveParts {
  readonly records: Pick<JobRecords, 'read' | 'archived'>;
  readonly store: ObjectStore;
  readonly log: Logger;
}

/** Doing it again gives the same objects. Throws when the store does. */
export async function archiveJob({ records, store, log }: ArchiveParts, ref: JobRef): Promise<void> {
  const record = await records.read(ref);
  if (record === undefined || !isTerminal(record.state)) {
    log.warn({ job: ref.id, state: record?.state ?? 'missing' }, 'no finished record to archive');
    return;
  }
  await store.put(jobDocumentKey(ref), jobDocument(record), 'application/json');
  const losers = losersAmong(await store.list(jobFolder(ref)), record);
  await Promise.all(losers.map((key) => store.delete(key)));
  await records.archived(record);
  jobLog(log, record).debug({ state: record.state, deleted: losers.length }, 'job archived');
}

/** Objects of runs that did not end the job: all runs but the one that committed. */
function losersAmong(keys: readonly string[], record: JobRecord): string[] {
  const document = jobDocumentKey(record);
  const winner = record.state === 'succeeded' ? fenceFolder(record, record.fence) : undefined;
  return keys.filter((key) => key !== document && (winner === undefined || !key.startsWith(winner)));
}
