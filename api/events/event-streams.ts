import { KilnError } from '../../src/domain/errors.ts';
import type { EventFeed } from './event-feed.ts';

/** Each stream holds a connection and is told of every change: their number is bounded, whoever opens them. */
export class EventStreams {
  readonly #open = new Set<EventFeed>();
  readonly #limit: number;
  readonly #closing: AbortSignal;

  /** `closing` ends all of them: their readers come back, to another process or to the next life of this one. */
  constructor(limit: number, closing: AbortSignal) {
    this.#limit = limit;
    this.#closing = closing;
    closing.addEventListener('abort', () => {
      for (const feed of this.#open) feed.finish();
    });
  }

  /** Throws `unavailable` when all places are taken. One is free again when its stream is closed, however that happens. */
  open(make: () => EventFeed): EventFeed {
    if (this.#open.size >= this.#limit || this.#closing.aborted) {
      const message = `All ${this.#limit} streams of events of this server are in use: poll instead, or try again`;
      throw new KilnError('unavailable', message);
    }
    const feed = make();
    this.#open.add(feed);
    feed.once('close', () => this.#open.delete(feed));
    return feed;
  }
}
