import type { JobProgressEvent, JobStateEvent, PreviewEvent } from '../../src/contract/events.ts';
import { isTerminal } from '../../src/domain/job-state.ts';
import type { JobProgress, JobRecord, JobRef } from '../../src/domain/job.ts';
import type { HistoryEntry } from '../../src/queue/job-story.ts';
import type { LiveMessage, LivePreview } from '../../src/queue/live-message.ts';
import { compareIds } from '../../src/queue/outbox-event.ts';
import { isoTime } from '../../src/view/job-view.ts';
import type { JobReader } from '../job-reader.ts';
import type { ApiParts } from '../parts.ts';
import type { Change, Ear, Followed, Look, Passing } from './followed.ts';

type Parts = Pick<ApiParts, 'records' | 'tail' | 'liveTail'> & {
  readonly reader: JobReader;
  /** `https://host`, without a slash at the end. */
  readonly origin: string;
};

/** A job and its history; of one whose record has expired its end alone. */
export class FollowedJob implements Followed {
  readonly pauseMs = 0;
  readonly #ref: JobRef;
  readonly #parts: Parts;

  constructor(ref: JobRef, parts: Parts) {
    this.#ref = ref;
    this.#parts = parts;
  }

  async look(after: string): Promise<Look> {
    const { records, reader } = this.#parts;
    const story = await records.story(this.#ref);
    const record = story?.record ?? (await reader.record(this.#ref));
    const entries = story === undefined || story.history.length === 0 ? [endOf(record)] : story.history;
    const unseen = entries.filter(({ id }) => compareIds(id, after) > 0);
    return {
      changes: await this.#changes(record, unseen),
      progress: record.state === 'running' ? progressOf(record.progress) : null,
      isOver: isTerminal(record.state),
    };
  }

  async latest(): Promise<Passing[]> {
    return (await this.#parts.liveTail.newest(this.#ref)).map(passingPreview);
  }

  listen({ onChange, onPassing }: Ear): () => void {
    const { tail, liveTail } = this.#parts;
    const stops = [
      tail.watch(this.#ref, onChange),
      liveTail.watch(this.#ref, (message) => onPassing(passingOf(message))),
    ];
    return () => stops.forEach((stop) => stop());
  }

  /** The view is that of the newest state: of a later one than those before. */
  async #changes(record: JobRecord, unseen: readonly HistoryEntry[]): Promise<Change[]> {
    const newest = unseen.at(-1);
    if (newest === undefined) return [];
    const { reader, origin } = this.#parts;
    const job = await reader.view(record, origin);
    return unseen.map((entry) => {
      const { id, to: state, reason, fence: run, at } = entry;
      const data: JobStateEvent = {
        state,
        reason: reason === '' ? null : reason,
        run,
        at: isoTime(at),
        job: entry === newest ? job : null,
      };
      return { id, data };
    });
  }
}

/** All that is left to say of a job without a history. Its id is before that of any event that could follow. */
function endOf({ state, fence, createdAt, finishedAt }: JobRecord): HistoryEntry {
  const at = finishedAt ?? createdAt;
  return { id: `${at}-0`, at, from: null, to: state, fence, reason: '' };
}

function progressOf({ step, steps, etaSeconds }: JobProgress): JobProgressEvent {
  return { step, steps, eta_seconds: etaSeconds };
}

function passingOf(message: LiveMessage): Passing {
  if (message.kind === 'preview') return passingPreview(message);
  return { event: 'progress', key: 'progress', data: progressOf(message) };
}

function passingPreview({ n, step, steps, how, ms, width, height, contentType, data }: LivePreview): Passing {
  const event: PreviewEvent = {
    n,
    step,
    steps,
    kind: how,
    ms,
    width,
    height,
    content_type: contentType,
    data,
  };
  return { event: 'preview', key: `preview ${n}`, data: event };
}
