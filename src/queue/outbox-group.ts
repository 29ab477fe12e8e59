import type { Redis } from 'ioredis';
import { BLOCK_SECONDS, disconnect, duplicateForBlocking, redisTime } from './connection.ts';
import type { Keys } from './keys.ts';
import {
  compareIds,
  eventsOf,
  firstStream,
  toEntries,
  type OutboxEntry,
  type OutboxEvent,
} from './outbox-event.ts';
import { pairUp, toList } from './replies.ts';

const SECOND = 1_000;
/** Events stay readable for so long after every group is done with them, for tails that reconnect. */
const KEPT_MS = 600 * SECOND;

export interface OutboxGroupOptions {
  /** The name under which the work is shared; every event goes to one consumer of the group. */
  readonly group: string;
  readonly consumer: string;
  /** An event that was read and not acknowledged for so long is delivered again, to any consumer. */
  readonly redeliverMs: number;
  readonly count?: number;
}

/**
 * Reads the outbox as one of a group, at least once: an event comes again until it is acknowledged, also after the
 * death of the consumer that had it.
 */
export class OutboxGroup {
  readonly #redis: Redis;
  readonly #connection: Redis;
  readonly #outbox: string;
  readonly #options: OutboxGroupOptions;
  #claimFrom = '0-0';
  #claimAt = 0;

  constructor(redis: Redis, keys: Keys, options: OutboxGroupOptions) {
    this.#redis = redis;
    this.#connection = duplicateForBlocking(redis);
    this.#outbox = keys.outbox;
    this.#options = options;
  }

  /** Makes the group, from the oldest event there is, unless it exists. */
  async create(): Promise<void> {
    try {
      await this.#redis.xgroup('CREATE', this.#outbox, this.#options.group, '0', 'MKSTREAM');
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('BUSYGROUP')) throw error;
    }
  }

  /**
   * The next events: first the ones that somebody left unacknowledged, else new ones, waiting up to 5 s for them.
   * Rejects when the connection breaks, or when `stopReading` is called.
   */
  async read(): Promise<OutboxEvent[]> {
    try {
      return await this.#next();
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOGROUP')) throw error;
      // A Redis that lost its data has no group either.
      await this.create();
      return [];
    }
  }

  async ack(events: readonly OutboxEvent[]): Promise<void> {
    if (events.length === 0) return;
    await this.#redis.xack(this.#outbox, this.#options.group, ...events.map(({ id }) => id));
  }

  /** Drops what every group has acknowledged and what is older than ten minutes. Answers how many events. */
  async trim(): Promise<number> {
    const recent = `${(await redisTime(this.#redis)) - KEPT_MS}-0`;
    return this.#redis.xtrim(this.#outbox, 'MINID', await this.#oldestNeeded(recent));
  }

  stopReading(): void {
    disconnect(this.#connection);
  }

  /** Leaves the group, unless events are still its own: leaving would drop them. */
  async leave(): Promise<void> {
    const { group, consumer } = this.#options;
    const own = await this.#redis.xpending(this.#outbox, group, '-', '+', 1, consumer);
    if (own.length === 0) await this.#redis.xgroup('DELCONSUMER', this.#outbox, group, consumer);
  }

  async #next(): Promise<OutboxEvent[]> {
    const { group, consumer, count = 100 } = this.#options;
    if (performance.now() >= this.#claimAt) {
      const left = await this.#claimLeft(count);
      if (left.length > 0) return left;
      this.#claimAt = performance.now() + this.#options.redeliverMs / 2;
    }
    const blockMs = Math.min(BLOCK_SECONDS * SECOND, this.#options.redeliverMs);
    const reply = await this.#connection.xreadgroup(
      'GROUP',
      group,
      consumer,
      'COUNT',
      count,
      'BLOCK',
      Math.ceil(blockMs),
      'STREAMS',
      this.#outbox,
      '>',
    );
    return this.#known(firstStream(reply));
  }

  async #claimLeft(count: number): Promise<OutboxEvent[]> {
    const { group, consumer, redeliverMs } = this.#options;
    const [next, entries] = await this.#redis.xautoclaim(
      this.#outbox,
      group,
      consumer,
      redeliverMs,
      this.#claimFrom,
      'COUNT',
      count,
    );
    this.#claimFrom = String(next);
    return this.#known(toEntries(entries));
  }

  /** What this version does not know it has no work for, so it is done with it. */
  async #known(entries: OutboxEntry[]): Promise<OutboxEvent[]> {
    const unknown = entries.filter(({ event }) => event === undefined).map(({ id }) => id);
    if (unknown.length > 0) await this.#redis.xack(this.#outbox, this.#options.group, ...unknown);
    return eventsOf(entries);
  }

  async #oldestNeeded(recent: string): Promise<string> {
    const groups = await this.#redis.xinfo('GROUPS', this.#outbox);
    const needed = await Promise.all(toList(groups).map((group) => this.#neededBy(pairUp(toList(group)))));
    return needed.reduce((oldest, id) => (compareIds(id, oldest) < 0 ? id : oldest), recent);
  }

  /** The first event a group has not acknowledged: its oldest pending one, or what follows the last delivered. */
  async #neededBy(group: ReadonlyMap<string, string>): Promise<string> {
    const [, oldest] = await this.#redis.xpending(this.#outbox, group.get('name') ?? '');
    return typeof oldest === 'string' ? oldest : (group.get('last-delivered-id') ?? '0-0');
  }
}
