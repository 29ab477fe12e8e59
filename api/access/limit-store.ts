/**
 * Where @fastify/rate-limit counts: in Redis, over all API processes. While Redis is away or slow, this process counts
 * alone: callers are let in rather than kept out, but nobody gets more than the limit from one process.
 */
import type { RateCounter } from '../../src/queue/rate-counter.ts';

/** An answer that takes longer holds up every request. */
const ANSWER_MS = 250;
/** After a failure Redis is not asked for so long. */
const REST_MS = 2_000;
/** Callers without a key are addresses, of which there may be any number. */
const MAX_COUNTED_HERE = 10_000;

interface Window {
  count: number;
  readonly endsAt: number;
}

export interface LimitCount {
  readonly current: number;
  readonly ttl: number;
}

export interface LimitStoreParts {
  readonly counter: Pick<RateCounter, 'count'>;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
  /** Called once at each failure of Redis. */
  readonly onFailure: (error: unknown) => void;
}

export class LimitStore {
  readonly #parts: LimitStoreParts;
  readonly #own = new Map<string, Window>();
  #restsUntil = -Infinity;

  constructor(parts: LimitStoreParts) {
    this.#parts = parts;
  }

  /** Counts one request of the caller. Never rejects. */
  async count(caller: string, windowMs: number): Promise<LimitCount> {
    const here = this.#countHere(caller, windowMs);
    if (this.#parts.now() < this.#restsUntil) return here;
    const timer = new AbortController();
    try {
      return await Promise.race([this.#parts.counter.count(caller, windowMs), rejectAfter(timer.signal)]);
    } catch (error) {
      this.#restsUntil = this.#parts.now() + REST_MS;
      this.#parts.onFailure(error);
      return here;
    } finally {
      timer.abort();
    }
  }

  /** Always counted, so that the count is there when it is needed. */
  #countHere(caller: string, windowMs: number): LimitCount {
    const now = this.#parts.now();
    const known = this.#own.get(caller);
    const window = known !== undefined && known.endsAt > now ? known : { count: 0, endsAt: now + windowMs };
    window.count++;
    this.#own.delete(caller);
    this.#own.set(caller, window);
    const [oldest] = this.#own.keys();
    if (this.#own.size > MAX_COUNTED_HERE && oldest !== undefined) this.#own.delete(oldest);
    return { current: window.count, ttl: Math.ceil(window.endsAt - now) };
  }
}

function rejectAfter(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer in ${ANSWER_MS} ms`)), ANSWER_MS);
    signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
  });
}
