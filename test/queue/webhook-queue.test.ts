import { beforeEach, describe, expect, it } from 'vitest';
import { ENDPOINT_WIDTH } from '../../src/domain/webhook-breaker.ts';
import { MAX_WEBHOOK_ATTEMPTS } from '../../src/domain/webhook-retry.ts';
import { WebhookDeliveries } from '../../src/queue/webhook-deliveries.ts';
import { WebhookQueue, type ClaimedDelivery } from '../../src/queue/webhook-queue.ts';
import { endpointOf } from '../../src/queue/webhook-record.ts';
import { queueFixture } from './fixture.ts';
import { aMessage, answered, ended, letTimePass, URL_A } from './webhook-fixture.ts';

const q = queueFixture();
const IDLE: ReadonlyMap<string, number> = new Map();
const FREE = 1_000;

let deliveries: WebhookDeliveries;
let queue: WebhookQueue;
beforeEach(() => {
  deliveries = new WebhookDeliveries(q().redis, q().keys, { logTtlMs: 60_000 });
  queue = aQueue();
});

function aQueue(leaseMs = 60_000): WebhookQueue {
  return new WebhookQueue(q().redis, q().keys, { leaseMs, logTtlMs: 60_000 });
}

async function enqueued(count: number, url?: string): Promise<string[]> {
  const messages = Array.from({ length: count }, () => aMessage(url === undefined ? {} : { url }));
  for (const message of messages) await deliveries.enqueue(message);
  return messages.map(({ id }) => id);
}

async function claimed(free = FREE): Promise<ClaimedDelivery[]> {
  return [...(await queue.claim(free, IDLE)).claimed];
}

function idsOf(held: readonly ClaimedDelivery[]): string[] {
  return held.map(({ delivery }) => delivery.id);
}

async function pass(): Promise<void> {
  await letTimePass(q().redis, q().keys);
}

async function read(id: string) {
  const delivery = await deliveries.read('default', id);
  if (delivery === undefined) throw new Error(`${id} is gone`);
  return delivery;
}

function settled(held: ClaimedDelivery, status: number): Promise<boolean> {
  return queue.settle(held, ended(held, answered(status)));
}

describe('a delivery', () => {
  it('is made once, however often its event comes', async () => {
    const message = aMessage();
    expect(await Promise.all([1, 2, 3].map(() => deliveries.enqueue(message)))).toEqual([
      'queued',
      'known',
      'known',
    ]);
    expect(idsOf(await claimed())).toEqual([message.id]);
    expect(await deliveries.enqueue(message)).toBe('known');
  });

  it('goes to one courier of many', async () => {
    const ids = await enqueued(4);
    const shares = await Promise.all([1, 2, 3, 4, 5].map(() => claimed(1)));
    expect(idsOf(shares.flat()).toSorted()).toEqual(ids.toSorted());
  });

  it('is logged with every attempt until it is delivered', async () => {
    const [id = ''] = await enqueued(1);
    const [first] = await claimed();
    expect(await settled(first!, 500)).toBe(true);
    expect(await claimed()).toEqual([]);
    expect(await read(id)).toMatchObject({ state: 'pending', tries: 1, endpoint: { failures: 1 } });
    await pass();
    const [second] = await claimed();
    expect(await settled(second!, 204)).toBe(true);
    expect(await read(id)).toMatchObject({
      state: 'delivered',
      tries: 2,
      dueAt: null,
      attempts: [{ status: 500, answer: 'thanks' }, { status: 204 }],
      endpoint: { failures: 0, pausedUntil: null },
    });
    await pass();
    expect(await claimed()).toEqual([]);
  });

  it('is exhausted after the last attempt, and can be asked for again under its id', async () => {
    const [id = ''] = await enqueued(1);
    for (let n = 0; n < MAX_WEBHOOK_ATTEMPTS; n++) {
      await pass();
      const [held] = await claimed();
      await settled(held!, 500);
    }
    expect(await read(id)).toMatchObject({ state: 'exhausted', tries: MAX_WEBHOOK_ATTEMPTS });
    expect(await deliveries.redeliver('default', id)).toBe('queued');
    const [again] = await claimed();
    expect(again?.delivery).toMatchObject({ id, state: 'pending', tries: 0 });
    expect(await deliveries.redeliver('default', id)).toBe('under_way');
    await settled(again!, 200);
    const log = await read(id);
    expect(log).toMatchObject({ state: 'delivered', tries: 1 });
    expect(log.attempts).toHaveLength(MAX_WEBHOOK_ATTEMPTS + 1);
    expect(await deliveries.redeliver('default', 'msg_none')).toBe('missing');
  });

  it('whose courier vanished is taken by another, and the first can settle nothing any more', async () => {
    const [id = ''] = await enqueued(1);
    const [frozen] = await claimed();
    await pass();
    const [heir] = await claimed();
    expect(heir?.delivery.id).toBe(id);
    expect(await settled(frozen!, 500)).toBe(false);
    expect(await settled(heir!, 200)).toBe(true);
    expect(await settled(frozen!, 500)).toBe(false);
    expect(await read(id)).toMatchObject({ state: 'delivered', tries: 1 });
  });

  it('settled late, but before anybody took it, is not sent again', async () => {
    await enqueued(1);
    const [slow] = await claimed();
    await pass();
    expect(await settled(slow!, 200)).toBe(true);
    expect(await claimed()).toEqual([]);
  });
});

describe('an endpoint', () => {
  it('has so many attempts under way and no more, whatever the query of its url', async () => {
    for (let n = 0; n < ENDPOINT_WIDTH + 3; n++) await enqueued(1, `https://a.example/hook?job=${n}`);
    const held = await claimed();
    expect(held).toHaveLength(ENDPOINT_WIDTH);
    expect(await claimed()).toEqual([]);
    await settled(held[0]!, 200);
    expect(await claimed()).toHaveLength(1);
  });

  it('that has much to be told waits its turn behind one that has little', async () => {
    await enqueued(ENDPOINT_WIDTH + 5, 'https://busy.example/hook');
    const held = await claimed(2);
    const [rare] = await enqueued(1, 'https://rare.example/hook');
    await settled(held[0]!, 200);
    expect(idsOf([...(await claimed(1)), ...(await claimed(1))])).toContain(rare);
  });

  it('shares the places of its host, which leave room for other hosts', async () => {
    for (let n = 0; n < 40; n++) await enqueued(1, `https://one.example/jobs/${n}`);
    await enqueued(1, 'https://other.example/hook');
    const hosts = (await claimed()).map(({ delivery }) => new URL(delivery.url).host);
    expect(hosts.filter((host) => host === 'one.example')).toHaveLength(16);
    expect(hosts).toContain('other.example');
  });

  it('is left alone after five failures in a row, then probed once at a time', async () => {
    await enqueued(20);
    for (const held of await claimed(5)) await settled(held, 500);
    expect(await claimed()).toEqual([]);
    expect((await queue.claim(FREE, IDLE)).nextMs).toBeGreaterThan(20_000);
    await pass();
    const [probe, ...more] = await claimed();
    expect(more).toEqual([]);
    expect(await claimed()).toEqual([]);
    await settled(probe!, 200);
    expect(await claimed()).toHaveLength(ENDPOINT_WIDTH);
  });

  it('loses no count when attempts end at the same time', async () => {
    const [id = ''] = await enqueued(4);
    await Promise.all((await claimed()).map((held) => settled(held, 500)));
    expect((await read(id)).endpoint.failures).toBe(4);
  });

  it('that is gone is sent nothing until somebody asks', async () => {
    const [gone = '', waiting = ''] = await enqueued(2);
    const [first] = await claimed(1);
    await settled(first!, 410);
    const [late] = await enqueued(1);
    const rest = await claimed();
    expect(rest.map(({ disabled }) => disabled)).toEqual(Array(2).fill('the endpoint answered 410 Gone'));
    for (const held of rest) await queue.drop(held, held.disabled ?? '');
    for (const id of [gone, waiting, late!]) {
      expect(await read(id)).toMatchObject({ state: 'dropped', reason: 'the endpoint answered 410 Gone' });
    }
    await deliveries.redeliver('default', gone);
    expect((await claimed()).map(({ disabled }) => disabled)).toEqual([null]);
    expect((await read(gone)).endpoint).toEqual({ failures: 0, pausedUntil: null, disabled: null });
  });

  it('that is paused or gone is not even told of progress', async () => {
    await enqueued(5);
    for (const held of await claimed()) await settled(held, 500);
    expect(await deliveries.enqueue(aMessage({ event: 'progress' }))).toBe('skipped');
    expect(await deliveries.enqueue(aMessage({ event: 'progress', url: 'https://b.example/' }))).toBe(
      'queued',
    );
    expect(await deliveries.enqueue(aMessage({ event: 'test' }))).toBe('queued');
  });
});

describe('the log', () => {
  it('is read in pages, newest first, by state, event, subject and time', async () => {
    const ids = await enqueued(5);
    for (const held of await claimed(2)) await settled(held, 204);
    const newest = ids.toReversed();
    const list = async (filter: Partial<Parameters<WebhookDeliveries['list']>[1]>) => {
      const page = await deliveries.list('default', { limit: 10, ...filter });
      return { ids: page.deliveries.map(({ id }) => id), cursor: page.cursor };
    };
    const first = await list({ limit: 3 });
    expect(first.ids).toEqual(newest.slice(0, 3));
    expect(await list({ limit: 3, cursor: first.cursor! })).toEqual({ ids: newest.slice(3), cursor: null });
    expect((await list({ states: ['delivered'] })).ids).toEqual(newest.slice(3));
    expect((await list({ event: 'failed' })).ids).toEqual([]);
    const { subject, createdAt } = await read(newest[1]!);
    expect((await list({ subject })).ids).toEqual([newest[1]]);
    expect((await list({ since: createdAt })).ids).toContain(newest[1]);
    expect((await list({ until: createdAt })).ids).not.toContain(newest[1]);
    expect((await deliveries.list('other', { limit: 10 })).deliveries).toEqual([]);
    await expect(list({ cursor: 'x' })).rejects.toThrow('not one that an earlier page gave');
  });

  it('forgets what has ended, never what waits', async () => {
    const brief = new WebhookQueue(q().redis, q().keys, { leaseMs: 60_000, logTtlMs: 1 });
    const [old = '', waiting = ''] = await enqueued(2);
    const [held] = await claimed(1);
    await brief.settle(held!, ended(held!, answered(200)));
    await enqueued(1, 'https://b.example/');
    const [, next] = await claimed();
    // Its end is when the log is looked through.
    while ((await deliveries.read('default', old)) !== undefined);
    await brief.settle(next!, ended(next!, answered(200)));
    const { deliveries: left } = await deliveries.list('default', { limit: 10 });
    expect(left.map(({ id }) => id)).toContain(waiting);
    expect(await q().redis.zrange(q().keys.deliveries('default'), '0', '-1')).not.toContain(old);
  });

  it('holds a bounded number of what has ended, and an endpoint of what waits', async () => {
    const [first = '', second = ''] = await enqueued(2);
    for (const held of await claimed()) await settled(held, 200);
    const base = `${q().keys.prefix}:t:default:webhook:`;
    await fill(`${base}settled`, 10_000);
    await fill(`${base}queue:${endpointOf(URL_A)}`, 100_000);
    const more = aMessage();
    expect(await deliveries.enqueue(more)).toBe('dropped');
    const reason = 'already 100000 messages wait for this endpoint';
    expect(await read(more.id)).toMatchObject({ state: 'dropped', reason });
    // The oldest went for the newest.
    expect(await q().redis.zcard(`${base}settled`)).toBe(10_000);
    for (const id of [first, second]) expect(await read(id)).toMatchObject({ state: 'delivered' });
  });
});

/** Members whose time was just before. */
async function fill(key: string, count: number): Promise<void> {
  const script = `
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    for n = 1, ARGV[1] do redis.call('ZADD', KEYS[1], now - 1000, 'msg_' .. n) end`;
  await q().redis.eval(script, 1, key, count);
}
