/**
 * The body of a stream of events. It is pulled by its reader: what is new is looked up when there is room for it, so a
 * slow one costs no memory. It misses progress and previews, of which only the newest wait, but no change of state:
 * those are in the history, and are read from there after the last one that was sent. News only say when to look.
 */
import { Readable } from 'node:stream';
import type { FastifyBaseLogger } from 'fastify';
import type { Followed, Look, Passing } from './followed.ts';

/** Proxies cut connections that are silent for 30 or 60 s. */
const HEARTBEAT_MS = 15_000;
/** So long may a reader take nothing. */
const STALLED_MS = 60_000;
/** Bytes that wait in the stream itself; a preview has more. */
const ROOM = 16_384;
const KEEP_ALIVE = ': still here\n\n';
/** Tells a browser how long to wait before it connects again. */
const RETRY = 'retry: 2000\n\n';

export interface EventFeedParts {
  readonly followed: Followed;
  readonly log: FastifyBaseLogger;
}

export class EventFeed extends Readable {
  readonly #parts: EventFeedParts;
  /** To be sent next, in order. */
  readonly #texts: string[] = [RETRY];
  /** By key; after the texts. */
  readonly #passing = new Map<string, string>();
  #sent: string;
  #progress = '';
  #hasRoom = false;
  #hasNews = false;
  #isOver = false;
  #isLooking = false;
  #lookedAt = -Infinity;
  #tookAt = performance.now();
  #pause: NodeJS.Timeout | undefined;
  readonly #heartbeat: NodeJS.Timeout;
  readonly #stopListening: () => void;

  /** `after`: the id of the last change that the reader has, where `first` goes on. */
  constructor(parts: EventFeedParts, after: string) {
    super({ highWaterMark: ROOM });
    this.#parts = parts;
    this.#sent = after;
    this.#heartbeat = setInterval(() => this.#beat(), HEARTBEAT_MS);
    this.#stopListening = parts.followed.listen({
      onChange: () => this.#notice(),
      onPassing: (passing) => this.#offer(passing),
    });
  }

  /** A look that was made after the feed was: nothing can come between the two. */
  start(first: Look, latest: readonly Passing[]): void {
    this.#take(first);
    for (const passing of latest) this.#offer(passing);
  }

  /** Nothing new is sent. A reader that is behind is cut off: it has the id to go on from. */
  finish(): void {
    this.#isOver = true;
    if (this.#hasRoom) this.#flow();
    else this.destroy();
  }

  override _read(): void {
    this.#hasRoom = true;
    this.#tookAt = performance.now();
    this.#flow();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearInterval(this.#heartbeat);
    clearTimeout(this.#pause);
    this.#stopListening();
    done(error);
  }

  #offer({ event, key, data }: Passing): void {
    if (this.#isOver) return;
    this.#passing.set(key, textOf({ event, data }));
    this.#flow();
  }

  #notice(): void {
    this.#hasNews = true;
    this.#flow();
  }

  #beat(): void {
    if (performance.now() - this.#tookAt > STALLED_MS && !this.#hasRoom) {
      this.destroy();
      return;
    }
    if (this.#texts.length === 0) this.#texts.push(KEEP_ALIVE);
    // Also makes up for news that never came.
    this.#notice();
  }

  /** Sends what there is while there is room, and looks for more when there is none. */
  #flow(): void {
    while (this.#hasRoom && !this.destroyed) {
      const text = this.#next();
      if (text === undefined) break;
      this.#hasRoom = this.push(text);
    }
    if (!this.#hasRoom || this.destroyed) return;
    if (this.#isOver) this.push(null);
    else if (this.#hasNews) this.#look();
  }

  #next(): string | undefined {
    const text = this.#texts.shift();
    if (text !== undefined) return text;
    for (const [key, passing] of this.#passing) {
      this.#passing.delete(key);
      return passing;
    }
    return undefined;
  }

  #look(): void {
    if (this.#isLooking || this.#pause !== undefined) return;
    const wait = this.#lookedAt + this.#parts.followed.pauseMs - performance.now();
    if (wait > 0) {
      this.#pause = setTimeout(() => {
        this.#pause = undefined;
        this.#flow();
      }, wait);
      return;
    }
    this.#isLooking = true;
    this.#hasNews = false;
    this.#lookedAt = performance.now();
    void this.#lookNow().finally(() => {
      this.#isLooking = false;
      this.#flow();
    });
  }

  async #lookNow(): Promise<void> {
    try {
      this.#take(await this.#parts.followed.look(this.#sent));
    } catch (error) {
      // Redis is away: the next news, or the next heartbeat, looks again.
      this.#parts.log.debug({ err: error }, 'Events could not be read');
    }
  }

  #take({ changes, progress, isOver }: Look): void {
    for (const { id, data } of changes) {
      this.#texts.push(textOf({ id, event: 'state', data }));
      this.#sent = id;
    }
    if (isOver) {
      this.#passing.clear();
      this.#isOver = true;
      return;
    }
    const text = progress === null ? '' : textOf({ event: 'progress', data: progress });
    if (text !== '' && text !== this.#progress) this.#passing.set('progress', text);
    this.#progress = text;
  }
}

/** JSON holds no line feed, so the data are one line. */
function textOf({ id, event, data }: { id?: string; event: string; data: unknown }): string {
  return `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
