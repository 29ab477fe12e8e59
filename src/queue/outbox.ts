import { setTimeout as pause } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import type { JobRef } from '../domain/job.ts';
import { BLOCK_SECONDS, disconnect, duplicateForBlocking } from './connection.ts';
import type { Keys } from './keys.ts';
import { firstStream, isTerminalEvent, type OutboxEvent } from './outbox-event.ts';

const RETRY_MS = 200;
const EVENTS_A_READ = 1_000;

type Listener = (event: OutboxEvent) => void;

/**
 * Hears every event from now on, for the ones who wait on this process. It remembers where it was, so an outage delays
 * events but loses none that are still in the stream (the courier keeps the last ten minutes).
 */
export class OutboxTail {
  readonly #connection: Redis;
  readonly #keys: Keys;
  readonly #log: Logger;
  readonly #listeners = new Set<Listener>();
  readonly #waiting = new Map<string, Set<Listener>>();
  readonly #closing = new AbortController();
  #position: string | undefined;
  #loop: Promise<void> = Promise.resolve();

  constructor(redis: Redis, keys: Keys, log: Logger) {
    this.#connection = duplicateForBlocking(redis);
    this.#keys = keys;
    this.#log = log;
  }

  /** Starts to listen, as soon as Redis can be reached; does not wait for that. */
  start(): void {
    this.#loop = this.#listen();
  }

  /** Calls the listener with every event. Gives the function that stops it. */
  on(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * The event that ends the job, or undefined when the signal aborts. Never rejects. It hears only what comes after
   * the call: call it first, then read the record.
   */
  waitForTerminal(ref: JobRef, signal: AbortSignal): Promise<OutboxEvent | undefined> {
    const name = nameOf(ref);
    return new Promise((resolve) => {
      const settle = (event?: OutboxEvent): void => {
        signal.removeEventListener('abort', abort);
        this.#forget(name, settle);
        resolve(event);
      };
      const abort = (): void => settle();
      if (signal.aborted) return resolve(undefined);
      signal.addEventListener('abort', abort);
      this.#waiting.set(name, (this.#waiting.get(name) ?? new Set()).add(settle));
    });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    disconnect(this.#connection);
    // ioredis never settles a command that waits for a connection which is closed before it was ever open.
    if (this.#connection.status !== 'reconnecting') await this.#loop;
  }

  async #listen(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        this.#position ??= await this.#newestId();
        await this.#read(this.#position);
      } catch (error) {
        this.#log.debug({ err: error }, 'outbox tail interrupted');
        await pause(RETRY_MS, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  async #read(position: string): Promise<void> {
    const reply = await this.#connection.xread(
      'COUNT',
      EVENTS_A_READ,
      'BLOCK',
      BLOCK_SECONDS * 1_000,
      'STREAMS',
      this.#keys.outbox,
      position,
    );
    for (const { id, event } of firstStream(reply)) {
      this.#position = id;
      if (event !== undefined) this.#tell(event);
    }
  }

  /** A name for 'now': with '$' every read would start anew and miss what came between two of them. */
  async #newestId(): Promise<string> {
    const [newest] = await this.#connection.xrevrange(this.#keys.outbox, '+', '-', 'COUNT', 1);
    return newest?.[0] ?? '0-0';
  }

  #tell(event: OutboxEvent): void {
    for (const listener of this.#listeners) listener(event);
    if (!isTerminalEvent(event)) return;
    for (const settle of this.#waiting.get(nameOf(event.ref)) ?? []) settle(event);
  }

  #forget(name: string, settle: Listener): void {
    const settles = this.#waiting.get(name);
    settles?.delete(settle);
    if (settles?.size === 0) this.#waiting.delete(name);
  }
}

/** Ids are unique within a tenant; neither part can hold a line feed. */
function nameOf(ref: JobRef): string {
  return `${ref.tenant}\n${ref.id}`;
}
