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
  /** By the name of a job or a bulk. */
  readonly #watching = new Map<string, Set<Listener>>();
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
   * Calls the listener with every event of a job, or of a bulk and all of its jobs. Gives the function that stops it.
   * It hears only what comes after the call: call it first, then read the record.
   */
  watch(ref: JobRef, listener: Listener): () => void {
    const name = nameOf(ref);
    this.#watching.set(name, (this.#watching.get(name) ?? new Set()).add(listener));
    return () => {
      const listeners = this.#watching.get(name);
      listeners?.delete(listener);
      if (listeners?.size === 0) this.#watching.delete(name);
    };
  }

  /** The event that ends the job, or undefined when the signal aborts. Never rejects. As with `watch`, call it first. */
  waitForTerminal(ref: JobRef, signal: AbortSignal): Promise<OutboxEvent | undefined> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve(undefined);
      const settle = (event?: OutboxEvent): void => {
        signal.removeEventListener('abort', abort);
        stop();
        resolve(event);
      };
      const abort = (): void => settle();
      const stop = this.watch(ref, (event) => {
        if (isTerminalEvent(event)) settle(event);
      });
      signal.addEventListener('abort', abort);
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
    for (const listener of this.#watching.get(nameOf(event.ref)) ?? []) listener(event);
    if (event.bulk === null) return;
    const bulk = { tenant: event.ref.tenant, id: event.bulk.id };
    for (const listener of this.#watching.get(nameOf(bulk)) ?? []) listener(event);
  }
}

/** Ids are unique within a tenant; neither part can hold a line feed. */
function nameOf(ref: JobRef): string {
  return `${ref.tenant}\n${ref.id}`;
}
