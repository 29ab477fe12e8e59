/**
 * Keeps the BullMQ locks of the jobs this worker holds, for as long as the engine makes progress. An engine that
 * hangs lets its locks lapse, and other workers take over.
 *
 * A lost lock is not the end of a run: the fence decides who holds a job. If nobody else claims it, this worker
 * still commits it; if somebody does, the next progress report says so and the samples are dropped.
 */
import type { Logger } from 'pino';
import type { LanePuller } from '../../src/queue/lane-puller.ts';
import { every } from '../../src/waiting.ts';
import type { RunningJobs } from './running-jobs.ts';

const RENEWALS_PER_LOCK = 4;

export interface LockKeeperParts {
  readonly puller: Pick<LanePuller, 'renew'>;
  readonly jobs: RunningJobs;
  readonly isProgressing: () => boolean;
  readonly lockMs: number;
  readonly log: Logger;
}

export async function keepLocks(parts: LockKeeperParts, signal: AbortSignal): Promise<void> {
  const { jobs, log } = parts;
  const options = { title: 'Renewing locks', signal, log };
  await every(parts.lockMs / RENEWALS_PER_LOCK, renew, options);

  async function renew(): Promise<void> {
    const held = jobs.all().filter((job) => job.inEngine.size === 0 || parts.isProgressing());
    if (held.length === 0) return;
    const lost = await parts.puller.renew(held.map((job) => job.pulled));
    for (const { ref, lane } of lost) log.warn({ job: ref.id, lane }, 'Lock was lost; the fence decides');
  }
}
