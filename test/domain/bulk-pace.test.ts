import { expect, it } from 'vitest';
import type { Bulk } from '../../src/domain/bulk.ts';
import { paceOf, PACE_SLOT_MS } from '../../src/domain/bulk-pace.ts';

const NOW = 1_000 * PACE_SLOT_MS;

function bulk(changes: Partial<Bulk>): Bulk {
  return {
    tenant: 'default',
    id: 'bulk_1',
    name: '',
    rows: 100,
    images: 100,
    rejected: 0,
    priority: 'bulk',
    webhook: null,
    state: 'running',
    counts: { waiting: 60, queued: 20, running: 0, succeeded: 20, failed: 0, cancelled: 0 },
    run: 0,
    createdAt: 0,
    startedAt: 0,
    finishedAt: null,
    pace: [],
    ...changes,
  };
}

it('the pace is that of the newest time, from which follows when the rest is done', () => {
  const pace = [
    { from: NOW - 30 * PACE_SLOT_MS, rows: 1_000 },
    { from: NOW - 6 * PACE_SLOT_MS, rows: 4 },
    { from: NOW - PACE_SLOT_MS, rows: 6 },
  ];
  expect(paceOf(bulk({ pace }), NOW)).toEqual({ rowsPerMinute: 10, etaSeconds: 480 });
});

it('when nothing has ended of late, it is that of the whole life', () => {
  const startedAt = NOW - 20 * 60_000;
  expect(paceOf(bulk({ startedAt }), NOW)).toEqual({ rowsPerMinute: 1, etaSeconds: 4_800 });
});

it('a bulk that has just begun has the pace since its begin, and none before its first end', () => {
  const startedAt = NOW - 5_000;
  const pace = [{ from: NOW - PACE_SLOT_MS, rows: 10 }];
  expect(paceOf(bulk({ startedAt, pace }), NOW).rowsPerMinute).toBe(120);
  const counts = { waiting: 80, queued: 20, running: 0, succeeded: 0, failed: 0, cancelled: 0 };
  expect(paceOf(bulk({ startedAt, counts }), NOW)).toEqual({ rowsPerMinute: null, etaSeconds: null });
});

it.each(['paused', 'cancelled', 'completed', 'accepted'] as const)(
  'a bulk that is %s has no end in sight',
  (state) => {
    const pace = [{ from: NOW - PACE_SLOT_MS, rows: 6 }];
    expect(paceOf(bulk({ state, pace }), NOW).etaSeconds).toBeNull();
  },
);
