import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';

const RETRY_MS = 500;

export interface RepeatOptions {
  readonly title: string;
  /** Between the end of a turn and the next. */
  readonly pauseMs: number;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** Runs the action again and again until the signal aborts. A failed turn is logged and followed by a pause. */
export async function repeat(action: () => Promise<void>, options: RepeatOptions): Promise<void> {
  const { title, signal, log } = options;
  while (!signal.aborted) {
    let pauseMs = options.pauseMs;
    try {
      await action();
    } catch (error) {
      pauseMs = Math.max(pauseMs, RETRY_MS);
      log.warn({ err: error }, `${title} failed; it is tried again`);
    }
    await delay(pauseMs, undefined, { signal }).catch(() => undefined);
  }
}
