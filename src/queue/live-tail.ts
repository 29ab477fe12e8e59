import type { Redis } from 'ioredis';
import type { JobRef } from '../domain/job.ts';
import { disconnect, duplicateForBlocking } from './connection.ts';
import type { Keys } from './keys.ts';
import { toLiveMessage, type LiveMessage, type LivePreview } from './live-message.ts';

type Listener = (message: LiveMessage) => void;

/** Hears what running jobs say of themselves, of those that are listened to: one connection for all of them. */
export class LiveTail {
  readonly #redis: Redis;
  readonly #connection: Redis;
  readonly #keys: Keys;
  /** By channel. */
  readonly #listeners = new Map<string, Set<Listener>>();

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
    this.#connection = duplicateForBlocking(redis);
    this.#connection.on('message', (channel, text) => this.#hear(channel, text));
    // On every new connection: one that an interruption hit is not remembered by the client.
    this.#connection.on('ready', () => this.#send('subscribe', [...this.#listeners.keys()]));
  }

  /** Calls the listener with every message that arrives from now on; some may be lost. Gives what stops it. */
  watch(ref: JobRef, listener: Listener): () => void {
    const channel = this.#keys.live(ref);
    const known = this.#listeners.get(channel);
    if (known === undefined) this.#send('subscribe', [channel]);
    this.#listeners.set(channel, (known ?? new Set()).add(listener));
    return () => this.#forget(channel, listener);
  }

  /** The newest preview of each image of the job that has one lately, in order. */
  async newest(ref: JobRef): Promise<LivePreview[]> {
    const texts = await this.#redis.hvals(this.#keys.previews(ref));
    const previews = texts.map(toLiveMessage).filter((message) => message?.kind === 'preview');
    return previews.toSorted((a, b) => a.n - b.n);
  }

  close(): void {
    disconnect(this.#connection);
  }

  #hear(channel: string, text: string): void {
    const message = toLiveMessage(text);
    if (message === undefined) return;
    for (const listener of this.#listeners.get(channel) ?? []) listener(message);
  }

  #forget(channel: string, listener: Listener): void {
    const listeners = this.#listeners.get(channel);
    listeners?.delete(listener);
    if (listeners?.size !== 0) return;
    this.#listeners.delete(channel);
    this.#send('unsubscribe', [channel]);
  }

  /** Without a connection there is nothing to say: the next one subscribes to all that is listened to then. */
  #send(command: 'subscribe' | 'unsubscribe', channels: string[]): void {
    if (channels.length === 0 || this.#connection.status !== 'ready') return;
    this.#connection[command](...channels).catch(ignoreLostConnection);
  }
}

function ignoreLostConnection(): void {
  // Said above: the next connection makes up for it.
}
