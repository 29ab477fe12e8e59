/** Trying again what a network may have spoiled for a moment. */
import { setTimeout as pause } from 'node:timers/promises';

const SECOND = 1_000;
/** In a row, without a single new byte between them. */
const ATTEMPTS = 6;
const FIRST_WAIT_MS = SECOND;
/** A hub that asks for more patience than this is tried earlier all the same. */
const MAX_WAIT_MS = 60 * SECOND;

/** A failure that may be gone in a moment: a lost connection, a busy server. */
export class TransientError extends Error {
  override readonly name = 'TransientError';
  /** What the server asked for; null when it did not say. */
  readonly waitMs: number | null;

  constructor(message: string, options: ErrorOptions & { readonly waitMs?: number | null } = {}) {
    super(message, options);
    this.waitMs = options.waitMs ?? null;
  }
}

export interface RetryOptions {
  readonly signal: AbortSignal;
  /** Told before each wait. */
  readonly notice: (line: string) => void;
  /** Before the second attempt; doubled for each one after it. Default: a second. */
  readonly firstWaitMs?: number | undefined;
  /** Something that grows while there is progress: an attempt that got further does not count as a failure in a row. */
  readonly progress?: () => number;
}

/**
 * Resolves with the first attempt that succeeds; only `TransientError` is tried again.
 * @throws Error that names the number of attempts, or the reason of the signal's abort
 */
export async function retrying<T>(attempt: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { signal, notice, firstWaitMs = FIRST_WAIT_MS, progress = () => 0 } = options;
  let reached = progress();
  for (let failures = 1; ; failures += 1) {
    try {
      return await attempt();
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof TransientError)) throw error;
      if (progress() > reached) failures = 1;
      reached = progress();
      if (failures === ATTEMPTS)
        throw new Error(`${error.message} (${ATTEMPTS} attempts in a row)`, { cause: error });
      const waitMs = Math.min(MAX_WAIT_MS, error.waitMs ?? firstWaitMs * 2 ** (failures - 1));
      notice(`${error.message}; trying again in ${Math.ceil(waitMs / SECOND)} s`);
      await pause(waitMs, undefined, { signal });
    }
  }
}
