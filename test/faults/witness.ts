/** Listens to the outbox during the storm, and at each success looks at once whether the images are there. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { JobRef } from '../../src/domain/job.ts';
import type { Books } from '../support/books.ts';
import { sha256Of } from './collect.ts';
import type { History } from './history.ts';

const BLOCK_MS = 500;
const RETRY_PAUSE_MS = 50;
const PAGE = 200;

export interface WitnessParts {
  readonly books: Books;
  readonly history: History;
}

interface SeenEvent {
  readonly streamId: string;
  readonly type: string;
  readonly ref: JobRef;
  readonly fence: number;
}

/** Runs until aborted. Redis outages are waited out; the stream keeps what happened meanwhile. */
export async function witness(parts: WitnessParts, signal: AbortSignal): Promise<void> {
  const { books, history } = parts;
  // A connection of its own, since it blocks; quick to come back, to read on before the courier trims the stream.
  const redis = books.redis.duplicate({ retryStrategy: () => RETRY_PAUSE_MS });
  redis.on('error', () => undefined);
  let last = '0';
  while (!signal.aborted) {
    for (const event of await readEvents(redis, books.keys.outbox, last)) {
      last = event.streamId;
      history.add({ kind: 'event', id: event.ref.id, type: event.type, fence: event.fence });
      if (event.type === 'job.succeeded') await lookAtImages(event.ref, parts);
    }
  }
  redis.disconnect();
}

async function readEvents(redis: Redis, outbox: string, last: string): Promise<SeenEvent[]> {
  try {
    const answer = await redis.xread('COUNT', PAGE, 'BLOCK', BLOCK_MS, 'STREAMS', outbox, last);
    return (answer?.[0]?.[1] ?? []).map(([streamId, fields]) => parseEvent(streamId, fields));
  } catch {
    await pause(RETRY_PAUSE_MS);
    return [];
  }
}

function parseEvent(streamId: string, fields: readonly string[]): SeenEvent {
  const values = new Map<string, string>();
  for (let at = 0; at + 1 < fields.length; at += 2) values.set(fields[at]!, fields[at + 1]!);
  const { type, tenant, id, fence } = Object.fromEntries(values);
  if (type === undefined || tenant === undefined || id === undefined) {
    throw new Error(`the outbox entry ${streamId} has the fields ${[...values.keys()].join(', ')}`);
  }
  return { streamId, type, ref: { tenant, id }, fence: Number(fence) };
}

async function lookAtImages(ref: JobRef, { books, history }: WitnessParts): Promise<void> {
  const { records, store } = books;
  const record = await records.read(ref);
  const images = record?.result?.images ?? [];
  const faults: string[] = images.length === 0 ? ['a success without images'] : [];
  for (const image of images) {
    const bytes = await store.get(image.key);
    if (bytes === undefined) faults.push(`${image.key} is missing`);
    else if (sha256Of(bytes) !== image.sha256) faults.push(`${image.key} has another digest`);
  }
  history.add({ kind: 'witness', id: ref.id, fault: faults[0] ?? null });
}
