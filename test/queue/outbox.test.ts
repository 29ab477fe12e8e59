import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { OutboxGroup } from '../../src/queue/outbox-group.ts';
import { compareIds, type OutboxEvent } from '../../src/queue/outbox-event.ts';
import { OutboxTail } from '../../src/queue/outbox.ts';
import { toList } from '../../src/queue/replies.ts';
import { someResult } from '../support/jobs.ts';
import { FAILURE, queueFixture } from './fixture.ts';

const q = queueFixture();
const SECOND = 1_000;
let undo: (() => unknown)[] = [];

afterEach(async () => {
  await Promise.all(undo.map((step) => step()));
  undo = [];
});

/** A tail that hears events from now on. */
async function tail(): Promise<OutboxTail> {
  const made = new OutboxTail(q().redis, q().keys, pino({ level: 'silent' }));
  undo.push(() => made.close());
  made.start();
  await q().blockedClients(1);
  return made;
}

async function group(consumer: string, redeliverMs = 60 * SECOND): Promise<OutboxGroup> {
  const made = new OutboxGroup(q().redis, q().keys, { group: 'g', consumer, redeliverMs, count: 10 });
  undo.push(() => made.stopReading());
  await made.create();
  return made;
}

describe('the tail', () => {
  it('tells every event from now on, in order', async () => {
    await q().admitted();
    const listener = await tail();
    const seen: OutboxEvent[] = [];
    const { ref, fence } = await q().claimed();
    const done = listener.waitForTerminal(ref, AbortSignal.timeout(10 * SECOND));
    listener.on((event) => seen.push(event));
    await q().records.handBack(ref, fence, 'drain');
    await q().records.claim(ref, 'w');
    await q().records.commit(ref, 2, someResult(ref, 2));
    const event = await done;
    expect(event).toMatchObject({ type: 'job.succeeded', ref, fence: 2 });
    const own = seen.filter((other) => other.ref.id === ref.id).map(({ type }) => type);
    expect(own.slice(-3)).toEqual(['job.requeued', 'job.started', 'job.succeeded']);
  });

  it.each(['failed', 'cancelled'] as const)(
    'tells the end of a job that %s to everyone who waits',
    async (end) => {
      const listener = await tail();
      const { ref, fence } = await q().claimed();
      const other = await q().admitted();
      const never = listener.waitForTerminal(other, AbortSignal.timeout(100));
      const waits = [1, 2].map(() => listener.waitForTerminal(ref, AbortSignal.timeout(10 * SECOND)));
      await (end === 'failed' ? q().records.fail(ref, fence, FAILURE) : q().records.cancel(ref));
      const events = await Promise.all(waits);
      expect(events.map((event) => event?.type)).toEqual([`job.${end}`, `job.${end}`]);
      expect(await never).toBeUndefined();
    },
  );

  it('gives nothing to who has stopped waiting, and does not stay behind', async () => {
    const listener = await tail();
    const stop = new AbortController();
    const wait = listener.waitForTerminal(await q().admitted(), stop.signal);
    stop.abort();
    expect(await wait).toBeUndefined();
    expect(await listener.waitForTerminal(await q().admitted(), stop.signal)).toBeUndefined();
  });

  it('stops calling a listener that was taken off, and steps over what it does not know', async () => {
    const listener = await tail();
    const seen: string[] = [];
    const off = listener.on(() => seen.push('off'));
    off();
    await q().redis.xadd(q().keys.outbox, '*', 'type', 'job.teleported', 'tenant', 'default', 'id', 'x');
    const heard = new Promise((resolve) => listener.on(({ type }) => resolve(type)));
    await q().admitted();
    expect(await heard).toBe('job.queued');
    expect(seen).toEqual([]);
  });
});

describe('a group', () => {
  it('gives each event to one consumer, and those before its time too', async () => {
    const refs = [await q().admitted(), await q().admitted()];
    const [a, b] = [await group('a'), await group('b')];
    const first = await a.read();
    expect(first.map(({ ref }) => ref)).toEqual(refs);
    const third = await q().admitted();
    expect((await b.read()).map(({ ref }) => ref)).toEqual([third]);
  });

  it('gives an event again, to another consumer, until it is acknowledged', async () => {
    const ref = await q().admitted();
    const [dead, live] = [await group('dead', 40), await group('live', 40)];
    expect(await dead.read()).toHaveLength(1);
    let again: OutboxEvent[] = [];
    while (again.length === 0) again = await live.read();
    expect(again.map((event) => event.ref)).toEqual([ref]);
    await live.ack(again);
    await live.ack([]);
    const pending = await q().redis.xpending(q().keys.outbox, 'g');
    expect(pending[0]).toBe(0);
  });

  it('is done with events it does not know', async () => {
    const reader = await group('a');
    await q().redis.xadd(q().keys.outbox, '*', 'type', 'job.teleported');
    expect(await reader.read()).toEqual([]);
    expect((await q().redis.xpending(q().keys.outbox, 'g'))[0]).toBe(0);
  });

  it('keeps what is not acknowledged and what is recent, and drops the rest', async () => {
    const reader = await group('a');
    const old = [1_000, 2_000, 3_000];
    for (const ms of old) await q().redis.xadd(q().keys.outbox, `${ms}-0`, ...eventFields());
    await q().admitted();
    const events = await reader.read();
    expect(events).toHaveLength(4);
    expect(await reader.trim()).toBe(0);
    await reader.ack(events.slice(0, 2));
    expect(await reader.trim()).toBe(2);
    await reader.ack(events.slice(2));
    expect(await reader.trim()).toBe(1);
    expect(await q().redis.xlen(q().keys.outbox)).toBe(1);
  });

  it('is made anew when Redis lost it', async () => {
    const reader = await group('a');
    await q().redis.del(q().keys.outbox);
    await q().admitted();
    let events: OutboxEvent[] = [];
    while (events.length === 0) events = await reader.read();
    expect(events).toHaveLength(1);
  });

  it('forgets a consumer that leaves, unless events are still its own', async () => {
    const [idle, busy] = [await group('idle'), await group('busy')];
    await q().admitted();
    const events = await busy.read();
    const reading = idle.read().catch(() => []);
    await q().blockedClients(1);
    idle.stopReading();
    await reading;
    await idle.leave();
    await busy.leave();
    const names = async (): Promise<unknown[]> => {
      const consumers = await q().redis.xinfo('CONSUMERS', q().keys.outbox, 'g');
      return toList(consumers).map((consumer) => toList(consumer)[1]);
    };
    expect(await names()).toEqual(['busy']);
    await busy.ack(events);
    await busy.leave();
    expect(await names()).toEqual([]);
  });
});

it('compares stream ids as numbers', () => {
  const ids = ['10-2', '9-10', '10-10', '9-9'];
  expect(ids.toSorted(compareIds)).toEqual(['9-9', '9-10', '10-2', '10-10']);
});

function eventFields(): string[] {
  return ['type', 'job.queued', 'tenant', 'default', 'id', 'x', 'fence', '0', 'at', '0'];
}
