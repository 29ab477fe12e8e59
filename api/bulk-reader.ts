/** Reads bulks the way callers see them, also long after their records have left Redis. */
import type { BulkView } from '../src/contract/bulk.ts';
import type { Bulk, BulkRef } from '../src/domain/bulk.ts';
import { shortText } from '../src/domain/shorten.ts';
import { KilnError } from '../src/domain/errors.ts';
import { isBulkId } from '../src/job-id.ts';
import { parseBulkDocument } from '../src/storage/bulk-document.ts';
import { bulkDocumentKey } from '../src/storage/object-keys.ts';
import { toBulkView } from '../src/view/bulk-view.ts';
import type { ApiParts } from './parts.ts';

export class BulkReader {
  readonly #sources: Pick<ApiParts, 'bulks' | 'store'>;

  constructor(sources: Pick<ApiParts, 'bulks' | 'store'>) {
    this.#sources = sources;
  }

  /** The record, or the document that outlives it. Throws `not_found`, for a foreign id just as for no id. */
  async bulk(ref: BulkRef): Promise<Bulk> {
    if (isBulkId(ref.id)) {
      const bulk = (await this.#sources.bulks.read(ref)) ?? (await this.#archived(ref));
      if (bulk !== undefined) return bulk;
    }
    throw new KilnError('not_found', `There is no bulk ${shortText(ref.id)}`);
  }

  async view(bulk: Bulk, origin: string): Promise<BulkView> {
    return toBulkView(bulk, { origin, now: await this.#sources.bulks.now() });
  }

  async #archived(ref: BulkRef): Promise<Bulk | undefined> {
    const bytes = await this.#sources.store.get(bulkDocumentKey(ref));
    return bytes === undefined ? undefined : parseBulkDocument(bytes);
  }
}
