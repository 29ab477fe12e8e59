/** How fast a bulk goes, from when its rows ended. */
import { endedRows, type Bulk } from './bulk.ts';

const MINUTE_MS = 60_000;

/** The newest two minutes, in slots: long enough to hold an end or two of slow models, short enough to follow changes. */
export const PACE_SLOT_MS = 10_000;
export const PACE_SLOTS = 12;

export interface BulkPace {
  readonly rowsPerMinute: number | null;
  /** Seconds until the last row ends; null while it is not known or the bulk does not go on. */
  readonly etaSeconds: number | null;
}

/** `now` in ms of Redis, as all times of the bulk. */
export function paceOf(
  bulk: Pick<Bulk, 'pace' | 'state' | 'rows' | 'counts' | 'startedAt'>,
  now: number,
): BulkPace {
  const rowsPerMinute = rateOf(bulk, now);
  const left = bulk.rows - endedRows(bulk.counts);
  const goesOn = bulk.state === 'running' && left > 0 && rowsPerMinute !== null;
  return { rowsPerMinute, etaSeconds: goesOn ? Math.ceil((left / rowsPerMinute) * 60) : null };
}

/** Of the newest slots; when nothing ended in them, of the whole life of the bulk. */
function rateOf(
  { pace, counts, startedAt }: Pick<Bulk, 'pace' | 'counts' | 'startedAt'>,
  now: number,
): number | null {
  const recent = pace.filter(({ from }) => from > now - PACE_SLOTS * PACE_SLOT_MS);
  const [first] = recent;
  const since = first === undefined ? startedAt : Math.max(first.from, startedAt ?? first.from);
  const ended = first === undefined ? endedRows(counts) : recent.reduce((sum, { rows }) => sum + rows, 0);
  if (since === null || ended === 0) return null;
  // A clock that has hardly moved gives no rate.
  return (ended / Math.max(now - since, 1_000)) * MINUTE_MS;
}
