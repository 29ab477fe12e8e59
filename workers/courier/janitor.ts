import type { Logger } from 'pino';
import type { Lease } from '../../src/queue/lease.ts';
import type { OutboxGroup } from '../../src/queue/outbox-group.ts';
import { reconcile, type ReconcileOptions, type ReconcileParts } from '../../src/queue/reconciler.ts';

const DAY_MS = 24 * 3_600_000;

export interface JanitorParts extends ReconcileParts {
  readonly lease: Lease;
  readonly group: OutboxGroup;
  readonly log: Logger;
}

/** One round of what one courier of the farm does for all: repair, retention. Does nothing without the lease. */
export async function tidyUp(parts: JanitorParts, options: ReconcileOptions): Promise<void> {
  if (!(await parts.lease.take())) return;
  const found = await reconcile(parts, options);
  if (found.enqueued + found.handedBack > 0) parts.log.warn(found, 'jobs were missing from their lanes');
  const trimmed = await parts.group.trim();
  const lanes = await parts.lanes.prune(DAY_MS);
  parts.log.debug({ ...found, trimmed, lanes }, 'round of the janitor');
}
