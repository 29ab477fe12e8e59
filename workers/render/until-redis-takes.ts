import type { Logger } from 'pino';
import { isRedisUnavailable } from '../../src/queue/connection.ts';
import { pause } from '../../src/waiting.ts';

const SECOND = 1_000;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5 * SECOND;

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
