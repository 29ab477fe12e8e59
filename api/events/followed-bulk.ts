import type { BulkProgressEvent, BulkStateEvent } from '../../src/contract/events.ts';
import type { Bulk, BulkRef } from '../../src/domain/bulk.ts';
import type { BulkChange } from '../../src/queue/bulk-story.ts';
import { compareIds } from '../../src/queue/outbox-event.ts';
import { isoTime } from '../../src/view/job-view.ts';
import type { BulkReader } from '../bulk-reader.ts';
import type { ApiParts } from '../parts.ts';
import type { Ear, Followed, Look, Passing } from './followed.ts';

type Parts = Pick<ApiParts, 'bulks' | 'tail'> & { readonly bulkReader: BulkReader; readonly origin: string };

/** A bulk may move a thousand rows a second. */
const PAUSE_MS = 500;

/** A bulk and its history; of one whose record has expired its end alone. Its progress is its counts. */
export class FollowedBulk implements Followed {
  readonly pauseMs = PAUSE_MS;
  readonly #ref: BulkRef;
  readonly #parts: Parts;

  constructor(ref: BulkRef, parts: Parts) {
    this.#ref = ref;
    this.#parts = parts;
  }

  async look(after: string): Promise<Look> {
    const { bulks, bulkReader, origin } = this.#parts;
    const story = await bulks.story(this.#ref);
    const bulk = story?.bulk ?? (await bulkReader.bulk(this.#ref));
    const view = await bulkReader.view(bulk, origin);
    const entries = story === undefined || story.history.length === 0 ? [endOf(bulk)] : story.history;
    const unseen = entries.filter(({ id }) => compareIds(id, after) > 0);
    const newest = unseen.at(-1);
    const { counts, rows_per_minute: rowsPerMinute, eta_seconds: etaSeconds } = view;
    const progress: BulkProgressEvent = {
      counts,
      rows_per_minute: rowsPerMinute,
      eta_seconds: etaSeconds,
    };
    const changes = unseen.map((entry) => {
      const { id, state, event, run, at } = entry;
      const data: BulkStateEvent = {
        state,
        event: event === '' ? null : event,
        run,
        at: isoTime(at),
        bulk: entry === newest ? view : null,
      };
      return { id, data };
    });
    return { changes, progress, isOver: bulk.finishedAt !== null };
  }

  latest(): Promise<Passing[]> {
    return Promise.resolve([]);
  }

  listen({ onChange }: Ear): () => void {
    return this.#parts.tail.watch(this.#ref, onChange);
  }
}

/** All that is left to say of a bulk without a history. */
function endOf({ state, run, createdAt, finishedAt }: Bulk): BulkChange {
  const at = finishedAt ?? createdAt;
  return { id: `${at}-0`, at, event: '', state, run };
}
