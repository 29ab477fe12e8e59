/**
 * Three loops, so that none holds up another: one keeps leases and knows the bulks, one feeds, one settles. What happens
 * rings their bells: a job of a bulk that starts makes a place free, one that ends may make a chunk whole. They look by
 * themselves every second all the same, so a bell that was not heard costs no more than that.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { FarmRegistry } from '../../src/queue/farm-registry.ts';
import { isTerminalEvent, type OutboxEvent } from '../../src/queue/outbox-event.ts';
import type { OutboxTail } from '../../src/queue/outbox.ts';
import { isAborted } from '../../src/waiting.ts';
import { Bell } from './bell.ts';
import { Feeding, type FeedingParts } from './feeding.ts';
import { HeldBulks, type HeldBulksParts } from './held-bulks.ts';
import { settle, type SettlingParts } from './settling.ts';

const LOOK_MS = 1_000;
const PAUSE_AFTER_ERROR_MS = 1_000;

/** A window keeps the workers busy for the time it takes to fill it again, and no more. */
const WINDOW_BATCHES = 4;
const SMALLEST_WINDOW = 64;

export interface FeederParts
  extends Omit<FeedingParts, 'onRow' | 'feed' | 'lanes'>, Omit<SettlingParts, 'feed' | 'store' | 'lanes'> {
  readonly feed: FeedingParts['feed'] & SettlingParts['feed'] & HeldBulksParts['feed'];
  readonly store: FeedingParts['store'] & SettlingParts['store'];
  readonly lanes: FeedingParts['lanes'] & SettlingParts['lanes'];
  readonly leaseOf: HeldBulksParts['leaseOf'];
  readonly registry: Pick<FarmRegistry, 'workers'>;
  readonly tail: Pick<OutboxTail, 'on'>;
  /** Rows of bulks queued in a lane for each tenant; 0 derives it from the workers. */
  readonly window: number;
  readonly log: Logger;
}

export class Feeder {
  readonly #parts: FeederParts;
  readonly #held: HeldBulks;
  readonly #feeding: Feeding;
  readonly #bells = { look: new Bell(), feed: new Bell(), settle: new Bell() };
  #window: number;

  constructor(parts: FeederParts) {
    this.#parts = parts;
    this.#held = new HeldBulks(parts);
    this.#feeding = new Feeding({ ...parts, onRow: () => this.#bells.feed.ring() });
    this.#window = parts.window === 0 ? SMALLEST_WINDOW : parts.window;
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const stopListening = this.#parts.tail.on((event) => this.#hear(event));
    try {
      await Promise.all([
        this.#loop('look', signal, () => this.#look()),
        this.#loop('feed', signal, () => this.#feed(signal)),
        this.#loop('settle', signal, () => this.#settle(signal)),
      ]);
    } finally {
      stopListening();
    }
    await this.#held.drop();
  }

  #hear(event: OutboxEvent): void {
    if (event.type.startsWith('bulk.')) this.#bells.look.ring();
    if (event.bulk === null) return;
    if (event.type !== 'job.queued') this.#bells.feed.ring();
    if (isTerminalEvent(event)) this.#bells.settle.ring();
  }

  async #look(): Promise<void> {
    const { window, registry } = this.#parts;
    await this.#held.look();
    if (window === 0) this.#window = windowFor(await registry.workers());
    this.#bells.feed.ring();
    this.#bells.settle.ring();
  }

  async #feed(signal: AbortSignal): Promise<void> {
    let fed: number;
    do fed = await this.#feeding.turn(this.#held.all, this.#window);
    while (fed > 0 && !isAborted(signal));
  }

  async #settle(signal: AbortSignal): Promise<void> {
    for (const bulk of this.#held.all) {
      if (isAborted(signal)) return;
      await settle(this.#parts, bulk);
    }
  }

  async #loop(
    name: 'look' | 'feed' | 'settle',
    signal: AbortSignal,
    action: () => Promise<void>,
  ): Promise<void> {
    while (!signal.aborted) {
      try {
        await action();
      } catch (error) {
        if (!isAborted(signal))
          this.#parts.log.warn({ err: error, loop: name }, 'the feeder was interrupted');
        await delay(PAUSE_AFTER_ERROR_MS, undefined, { signal }).catch(() => undefined);
      }
      await this.#bells[name].wait(LOOK_MS, signal);
    }
  }
}

function windowFor(workers: readonly { readonly slots: number }[]): number {
  const slots = workers.reduce((sum, worker) => sum + worker.slots, 0);
  return Math.max(SMALLEST_WINDOW, WINDOW_BATCHES * slots);
}
