/** Keeps attempts under way, up to a limit, for as long as something is due. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { ClaimedDelivery, WebhookQueue } from '../../../src/queue/webhook-queue.ts';

/** Of one courier. Attempts wait for others, so they are cheap. */
const MAX_UNDER_WAY = 64;
/** What other couriers and the API have made due is found after this at the latest. */
const LOOK_MS = 250;

export interface SenderParts {
  readonly queue: Pick<WebhookQueue, 'claim'>;
  readonly attempt: (held: ClaimedDelivery) => Promise<void>;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

export class Sender {
  readonly #parts: SenderParts;
  readonly #underWay = new Set<Promise<void>>();
  readonly #byHost = new Map<string, number>();
  #woken = new AbortController();

  constructor(parts: SenderParts) {
    this.#parts = parts;
  }

  /** Ends a wait: something is due, or there is room again. */
  readonly wake = (): void => {
    this.#woken.abort();
  };

  /** Claims what is due and there is room for, starts it, and waits until there may be more. */
  async turn(): Promise<void> {
    const woken = new AbortController();
    this.#woken = woken;
    const free = MAX_UNDER_WAY - this.#underWay.size;
    let waitMs = LOOK_MS;
    if (free > 0) {
      const { claimed, nextMs } = await this.#parts.queue.claim(free, this.#byHost);
      for (const held of claimed) this.#start(held);
      waitMs = Math.min(LOOK_MS, nextMs ?? LOOK_MS);
    }
    const signal = AbortSignal.any([woken.signal, this.#parts.signal]);
    await delay(waitMs, undefined, { signal }).catch(() => undefined);
  }

  /** Resolves when nothing is under way any more. */
  async idle(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  #start(held: ClaimedDelivery): void {
    this.#count(held.host, 1);
    const attempt = this.#parts
      .attempt(held)
      .catch((error: unknown) => {
        const { id } = held.delivery;
        this.#parts.log.warn({ err: error, delivery: id }, 'an attempt broke off; it is made again');
      })
      .finally(() => {
        this.#underWay.delete(attempt);
        this.#count(held.host, -1);
        this.wake();
      });
    this.#underWay.add(attempt);
  }

  #count(host: string, change: number): void {
    const count = (this.#byHost.get(host) ?? 0) + change;
    if (count === 0) this.#byHost.delete(host);
    else this.#byHost.set(host, count);
  }
}
