/** Reads jobs the way callers see them, also long after their records have left Redis. */
import type { JobView } from '../src/contract/job.ts';
import { KilnError } from '../src/domain/errors.ts';
import { isJobId } from '../src/job-id.ts';
import type { JobRecord, JobRef } from '../src/domain/job.ts';
import { parseJobDocument } from '../src/storage/job-document.ts';
import { jobDocumentKey } from '../src/storage/object-keys.ts';
import { shortText } from '../src/domain/shorten.ts';
import { ImageLinks } from '../src/view/image-links.ts';
import { toJobView } from '../src/view/job-view.ts';
import type { ApiParts } from './parts.ts';

type Sources = Pick<ApiParts, 'config' | 'records' | 'lanes' | 'registry' | 'store'>;

export class JobReader {
  readonly links: ImageLinks;
  readonly #sources: Sources;

  constructor(sources: Sources) {
    this.#sources = sources;
    this.links = new ImageLinks(() => sources.registry.linkSecret(), sources.config.linkTtlMs);
  }

  /** The record, or the document that outlives it. Throws `not_found`, for a foreign id just as for no id. */
  async record(ref: JobRef): Promise<JobRecord> {
    if (isJobId(ref.id)) {
      const record = (await this.#sources.records.read(ref)) ?? (await this.#archived(ref));
      if (record !== undefined) return record;
    }
    throw new KilnError('not_found', `There is no job ${shortText(ref.id)}`);
  }

  async view(record: JobRecord, origin: string): Promise<JobView> {
    const [imagePath, queuePosition] = await Promise.all([
      this.links.signer(),
      record.state === 'queued' ? this.#sources.lanes.position(record, record.lane) : null,
    ]);
    return toJobView(record, { queuePosition, origin, imagePath });
  }

  async #archived(ref: JobRef): Promise<JobRecord | undefined> {
    const bytes = await this.#sources.store.get(jobDocumentKey(ref));
    return bytes === undefined ? undefined : parseJobDocument(bytes);
  }
}
