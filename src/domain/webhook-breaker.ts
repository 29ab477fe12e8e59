/**
 * The circuit breaker of one endpoint.
 *
 *   closed --5 failures in a row--> open --its pause is over--> half open --success--> closed
 *                                    ^                             |
 *                                    '--------failure, longer------'
 *
 * While it is open nothing is sent, and no message loses an attempt by that; half open, one attempt at a time.
 */
import { isSuccess, type AttemptEnd } from './webhook-retry.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

/** Failures in a row that open it. */
const THRESHOLD = 5;
const FIRST_PAUSE_MS = 30 * SECOND;
const LONGEST_PAUSE_MS = 10 * MINUTE;

/** Answers of a receiver, or of what stands before it, that is there and wants less. */
const SLOW_DOWN: ReadonlySet<number> = new Set([429, 502, 503, 504]);
const SLOW_DOWN_MS = 5 * SECOND;
const LONGEST_SLOW_DOWN_MS = 60 * MINUTE;

/** Attempts to one endpoint at the same time, over all couriers. */
export const ENDPOINT_WIDTH = 8;

export interface EndpointHealth {
  /** Failures in a row. */
  readonly failures: number;
  /** From now on, nothing is sent for so long; 0 when it is closed or half open. */
  readonly pauseMs: number;
}

/** The health after an attempt, from that when its end became known. */
export function healthAfter({ failures, pauseMs }: EndpointHealth, end: AttemptEnd): EndpointHealth {
  if (isSuccess(end)) return { failures: 0, pauseMs: 0 };
  // Under way already when another failure opened it: it says nothing new.
  if (pauseMs > 0) return { failures, pauseMs: Math.max(pauseMs, slowDownMs(end)) };
  const breakMs = breakerMs(failures + 1);
  return { failures: failures + 1, pauseMs: Math.max(breakMs, slowDownMs(end)) };
}

export function widthOf({ failures }: Pick<EndpointHealth, 'failures'>): number {
  return failures < THRESHOLD ? ENDPOINT_WIDTH : 1;
}

function breakerMs(failures: number): number {
  if (failures < THRESHOLD) return 0;
  return Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (failures - THRESHOLD));
}

function slowDownMs(end: AttemptEnd): number {
  if (end.kind === 'unanswered' || !SLOW_DOWN.has(end.status)) return 0;
  return Math.min(LONGEST_SLOW_DOWN_MS, end.retryAfterMs ?? SLOW_DOWN_MS);
}
