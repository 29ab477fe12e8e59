/** Waits that end early when their signal aborts. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';

/** After a failed turn, however short the usual pause: a broken dependency is not hammered. */
const RETRY_MS = 500;

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

/**
 * Runs an action again and again, `ms` between the end of a turn and the next, until the signal aborts. A failed turn
 * is logged, not fatal.
 */
export async function every(
  ms: number,
  action: () => Promise<void>,
  options: { readonly title: string; readonly signal: AbortSignal; readonly log: Logger },
): Promise<void> {
  const { title, signal, log } = options;
  while (!signal.aborted) {
    let pauseMs = ms;
    try {
      await action();
    } catch (error) {
      pauseMs = Math.max(ms, RETRY_MS);
      if (!isAborted(signal)) log.warn({ err: error }, `${title} failed; it is tried again`);
    }
    await pause(pauseMs, signal);
  }
}
