/** Waits that end early when their signal aborts. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { isRedisUnavailable } from '../../src/queue/connection.ts';

const SECOND = 1_000;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5 * SECOND;

/** For a signal that may abort during a wait: the compiler takes a property it has seen once for settled. */
export function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** Resolves after `ms` or when the signal aborts, whichever comes first. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  try {
    await delay(ms, undefined, { signal });
  } catch (error) {
    if (!isAborted(signal)) throw error;
  }
}

/** Runs an action again and again with a pause between, until the signal aborts. A failed turn is logged, not fatal. */
export async function every(
  ms: number,
  action: () => Promise<void>,
  options: { readonly title: string; readonly signal: AbortSignal; readonly log: Logger },
): Promise<void> {
  while (!options.signal.aborted) {
    try {
      await action();
    } catch (error) {
      if (!isAborted(options.signal))
        options.log.warn({ err: error }, `${options.title} failed; it is tried again`);
    }
    await pause(ms, options.signal);
  }
}

/**
 * Repeats an action for as long as Redis refuses it (memory or disk full, failover); a lost connection is already
 * waited out below. Rejects with any other error, and with Redis' refusal once the signal aborts.
 */
export async function untilRedisTakes<Result>(
  action: () => Promise<Result>,
  options: { readonly signal: AbortSignal; readonly log: Logger },
): Promise<Result> {
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)) {
    try {
      return await action();
    } catch (error) {
      if (options.signal.aborted || !isRedisUnavailable(error)) throw error;
      options.log.warn({ err: error, pauseMs }, 'Redis refused a command; it is tried again');
    }
    await pause(pauseMs, options.signal);
  }
}
