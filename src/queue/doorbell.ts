import type { Redis } from 'ioredis';
import { BLOCK_SECONDS, disconnect, duplicateForBlocking } from './connection.ts';
import type { Keys } from './keys.ts';

const RETRY_MS = 200;
/** A wake key must not outlive a puller that died before it was popped. */
const WAKE_TTL_MS = 60_000;

/**
 * Waits until any of many lanes may have a job: one BZPOPMIN over their marker keys, on one connection.
 *
 * BullMQ sets a lane's marker whenever a job arrives or may be waiting, and the pop wakes one of the pullers that
 * block on it. So whoever pops a marker owes a look at that lane: when nobody looks any more, it goes back for others.
 * A key of our own among the markers lets us interrupt the pop, to block on other lanes.
 */
export class Doorbell {
  readonly #redis: Redis;
  readonly #connection: Redis;
  readonly #keys: Keys;
  readonly #wake: string;
  #pop: { readonly names: string; readonly done: Promise<void> } | undefined;
  #waiters = 0;
  #rung: string | undefined;

  constructor(redis: Redis, keys: Keys, name: string) {
    this.#redis = redis;
    this.#connection = duplicateForBlocking(redis);
    this.#keys = keys;
    this.#wake = keys.wake(name);
  }

  /**
   * Returns when a marker was popped, after `ms` or 5 s, or when the signal aborts, whichever is first. Redis being
   * away is waited out like silence.
   */
  async wait(lanes: readonly string[], ms: number, signal: AbortSignal): Promise<void> {
    const names = lanes.join('\n');
    if (this.#pop !== undefined && this.#pop.names !== names) this.ring();
    this.#pop ??= { names, done: this.#blockOn(lanes) };
    this.#waiters++;
    await firstOf(this.#pop.done, ms, signal);
    this.#waiters--;
  }

  /** Ends the wait of this doorbell, now or the next one. When it fails the wait ends by itself after 5 s. */
  ring(): void {
    const wake = this.#redis.multi().zadd(this.#wake, 0, '0').pexpire(this.#wake, WAKE_TTL_MS);
    wake.exec().catch(ignoreLostConnection);
  }

  /** The lane whose marker was popped for the last wait; asking again gives undefined. */
  takeRung(): string | undefined {
    const rung = this.#rung;
    this.#rung = undefined;
    return rung;
  }

  /** Sets a lane's marker, so that a puller looks at it. */
  async passOn(lane: string): Promise<void> {
    await this.#redis.zadd(this.#keys.lane(lane, 'marker'), 0, '0');
  }

  close(): void {
    disconnect(this.#connection);
  }

  async #blockOn(lanes: readonly string[]): Promise<void> {
    const markers = lanes.map((lane) => this.#keys.lane(lane, 'marker'));
    try {
      const popped = await this.#connection.bzpopmin(this.#wake, ...markers, BLOCK_SECONDS);
      const rung = lanes[markers.indexOf(popped?.[0] ?? '')];
      if (this.#waiters > 0) this.#rung = rung;
      else if (rung !== undefined) await this.passOn(rung);
    } catch {
      // The connection broke or Redis refuses. The caller's own commands report it; here it only means 'not now'.
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    } finally {
      this.#pop = undefined;
    }
  }
}

/** Never rejects. */
function firstOf(done: Promise<void>, ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', finish);
      resolve();
    };
    const timer = setTimeout(finish, Math.min(ms, BLOCK_SECONDS * 1_000));
    signal.addEventListener('abort', finish);
    void done.then(finish);
  });
}

function ignoreLostConnection(): void {
  // Said above: the wait ends by itself.
}
