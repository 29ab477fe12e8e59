/**
 * What becomes of a job whose run ended without an image.
 *
 * | end of the run                           | decision                                                    |
 * |------------------------------------------|-------------------------------------------------------------|
 * | failure that would repeat                | fail                                                        |
 * | transient failure, attempts left         | hand back, run again after a pause; uses an attempt         |
 * | transient failure, last attempt          | fail with that reason                                       |
 * | engine died, job not aboard; or a drain  | hand back at once; uses nothing                             |
 * | engine died, job aboard in company       | hand back at once; from now on it runs solo                 |
 * | engine died, job aboard alone            | hand back at once; the second time it fails: a poison job   |
 *
 * A job that was in company never fails for a crash, so a poison job cannot fail its neighbours.
 */
import { isTransient, type RenderFailure } from './failure.ts';
import type { JobRecord } from './job.ts';

export const MAX_ATTEMPTS = 3;
export const MAX_SOLO_CRASHES = 2;

const SECOND = 1_000;
const FIRST_PAUSE_MS = SECOND;
const LONGEST_PAUSE_MS = 30 * SECOND;

export type RunEnd =
  | { readonly kind: 'failed'; readonly failure: RenderFailure }
  | { readonly kind: 'engine_died'; readonly aboard: 'no' | 'in_company' | 'alone'; readonly doing: string }
  | { readonly kind: 'drained' };

export type RetryDecision =
  | { readonly kind: 'fail'; readonly failure: RenderFailure }
  | { readonly kind: 'hand_back'; readonly reason: 'drain' | 'engine_crash' | 'solo_crash' }
  | { readonly kind: 'retry_later'; readonly delayMs: number };

/** The counters of earlier runs, as the record holds them; `random` is uniform in 0..1. */
export function decideRetry(
  end: RunEnd,
  past: Pick<JobRecord, 'attempts' | 'soloCrashes'>,
  random: number,
): RetryDecision {
  switch (end.kind) {
    case 'drained':
      return { kind: 'hand_back', reason: 'drain' };
    case 'failed':
      return afterFailure(end.failure, past.attempts + 1, random);
    case 'engine_died':
      return afterCrash(end, past.soloCrashes + 1);
  }
}

/** After any crash a job runs alone in its batch. */
export function runsSolo(past: Pick<JobRecord, 'crashes'>): boolean {
  return past.crashes > 0;
}

function afterFailure(failure: RenderFailure, attempts: number, random: number): RetryDecision {
  if (!isTransient(failure.code)) return { kind: 'fail', failure };
  if (attempts < MAX_ATTEMPTS) return { kind: 'retry_later', delayMs: pauseMs(attempts, random) };
  const message = `${failure.message} (attempt ${attempts} of ${MAX_ATTEMPTS})`;
  return { kind: 'fail', failure: { code: failure.code, message } };
}

/** Exponential with full jitter: many jobs that failed together do not come back together. */
function pauseMs(attempts: number, random: number): number {
  return Math.round(random * Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** attempts));
}

function afterCrash(end: RunEnd & { kind: 'engine_died' }, soloCrashes: number): RetryDecision {
  switch (end.aboard) {
    case 'no':
      return { kind: 'hand_back', reason: 'drain' };
    case 'in_company':
      return { kind: 'hand_back', reason: 'engine_crash' };
    case 'alone':
      if (soloCrashes < MAX_SOLO_CRASHES) return { kind: 'hand_back', reason: 'solo_crash' };
      return { kind: 'fail', failure: { code: 'engine_crash', message: crashMessage(end.doing) } };
  }
}

function crashMessage(doing: string): string {
  return `the render process died ${MAX_SOLO_CRASHES} times with this job alone in it, the last time while ${doing}; it is not tried again`;
}
