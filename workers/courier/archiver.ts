import { isTerminalEvent, type OutboxEvent } from '../../src/queue/outbox-event.ts';
import type { OutboxGroup } from '../../src/queue/outbox-group.ts';
import { archiveJob, type ArchiveParts } from './archive.ts';

export interface ArchiverParts extends ArchiveParts {
  readonly group: OutboxGroup;
  readonly signal: AbortSignal;
}

/**
 * Archives the jobs of the next events. An event is acknowledged when its job is archived; one whose job could not be
 * is delivered again later, to this courier or another.
 */
export async function archiveNext(parts: ArchiverParts): Promise<void> {
  const events = await nextEvents(parts);
  const done = await Promise.all(events.map((event) => handled(parts, event)));
  await parts.group.ack(events.filter((_event, n) => done[n]));
}

/** A read that stopping interrupts is no failure. */
async function nextEvents({ group, signal }: ArchiverParts): Promise<OutboxEvent[]> {
  try {
    return await group.read();
  } catch (error) {
    if (signal.aborted) return [];
    throw error;
  }
}

async function handled(parts: ArchiverParts, event: OutboxEvent): Promise<boolean> {
  if (!isTerminalEvent(event)) return true;
  try {
    await archiveJob(parts, event.ref);
    return true;
  } catch (error) {
    parts.log.warn({ err: error, job: event.ref.id }, 'job not archived, it is tried again');
    return false;
  }
}
