import type { Redis } from 'ioredis';
import type { JobRef } from '../domain/job.ts';
import { disconnect, duplicateForBlocking } from './connection.ts';
import type { Keys } from './keys.ts';
import { parseJson } from './replies.ts';

export interface Subscription {
  close(): void;
}

/**
 * Calls the handler for every running job that is cancelled. A message can be lost, with the connection for example:
 * it only makes a worker stop sooner, `JobRecords.progress` tells it in any case.
 */
export function subscribeCancels(redis: Redis, keys: Keys, handler: (ref: JobRef) => void): Subscription {
  const onMessage = (message: string): void => {
    const ref = toRef(message);
    if (ref !== undefined) handler(ref);
  };
  return subscribe(redis, keys.cancels, { onMessage });
}

export interface ChannelHandlers {
  readonly onMessage: (message: string) => void;
  /** From here on messages are heard. Called again after every outage, in which some may have been missed. */
  readonly onSubscribed?: () => void;
}

/** Listens on a connection of its own, which subscribes again by itself after an outage. */
export function subscribe(redis: Redis, channel: string, handlers: ChannelHandlers): Subscription {
  const connection = duplicateForBlocking(redis);
  connection.on('message', (_channel, message) => handlers.onMessage(message));
  // Sent on every new connection: a subscription that an outage interrupted is not remembered as one.
  connection.on('ready', () => {
    connection.subscribe(channel).then(handlers.onSubscribed, ignoreLostConnection);
  });
  return { close: () => disconnect(connection) };
}

function ignoreLostConnection(): void {
  // The connection broke before the answer; the next one subscribes again.
}

function toRef(message: string): JobRef | undefined {
  const value = parseJson(message);
  if (typeof value !== 'object' || value === null || !('tenant' in value) || !('id' in value))
    return undefined;
  return { tenant: String(value.tenant), id: String(value.id) };
}
