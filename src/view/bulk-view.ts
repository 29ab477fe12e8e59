import type { BulkView } from '../contract/bulk.ts';
import type { Bulk } from '../domain/bulk.ts';
import { paceOf } from '../domain/bulk-pace.ts';
import { isoTime } from './job-view.ts';

export interface BulkViewContext {
  /** `https://host`, without a slash at the end. */
  readonly origin: string;
  /** Redis time, ms. */
  readonly now: number;
}

export function toBulkView(bulk: Bulk, { origin, now }: BulkViewContext): BulkView {
  const self = `${origin}/v1/bulks/${bulk.id}`;
  const { rowsPerMinute, etaSeconds } = paceOf(bulk, now);
  return {
    id: bulk.id,
    name: bulk.name,
    state: bulk.state,
    rows: bulk.rows,
    images: bulk.images,
    rejected: bulk.rejected,
    counts: bulk.counts,
    priority: bulk.priority,
    run: bulk.run,
    rows_per_minute: rowsPerMinute === null ? null : Math.round(rowsPerMinute * 100) / 100,
    eta_seconds: etaSeconds,
    timings: {
      created_at: isoTime(bulk.createdAt),
      started_at: bulk.startedAt === null ? null : isoTime(bulk.startedAt),
      finished_at: bulk.finishedAt === null ? null : isoTime(bulk.finishedAt),
    },
    links: {
      self,
      events: `${self}/events`,
      pause: `${self}/pause`,
      resume: `${self}/resume`,
      cancel: `${self}/cancel`,
      retry: `${self}/retry`,
    },
  };
}
