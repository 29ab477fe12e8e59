import { describe, expect, it } from 'vitest';
import { BulkRecords } from '../../src/queue/bulk-records.ts';
import { WebhookSecrets } from '../../src/queue/webhook-secrets.ts';
import { aMessage } from '../queue/webhook-fixture.ts';
import { newRef, someResult } from '../support/jobs.ts';
import { verified } from '../support/webhook-receiver.ts';
import { courierFixture, NEW_SECRET, OLD_SECRET } from './webhook-fixture.ts';

const c = courierFixture();

describe('a job', () => {
  it('is told of with its start and its end, signed with every secret, when everybody can read its state', async () => {
    await c().start();
    const states: (string | undefined)[] = [];
    c().receiver.before(async ({ body }) => {
      const [id = ''] = /job_[0-9a-f-]+/.exec(body.toString()) ?? [];
      states.push((await c().q.records.read({ tenant: 'default', id }))?.state);
    });
    const ref = await c().admitted(c().hook('/hook', ['started', 'completed', 'failed', 'cancelled']));
    const fence = await c().claim(ref);
    const [started] = await c().receiver.at('/hook');
    await c().q.records.commit(ref, fence, someResult(ref, fence));
    const [, completed] = await c().receiver.at('/hook', 2);

    expect(started?.id).toBe(`msg_${ref.id}_started`);
    expect(verified(NEW_SECRET, started!)).toMatchObject({
      type: 'job.started',
      sequence: 1,
      data: { id: ref.id, state: 'running' },
      shortened: [],
      links: { job: `https://kiln.example/v1/jobs/${ref.id}` },
    });
    const body = verified(OLD_SECRET, completed!);
    expect(body).toMatchObject({
      type: 'job.completed',
      timestamp: expect.stringMatching(/^20\d\d-/),
      sequence: expect.any(Number),
      data: { state: 'succeeded', request: { prompt: 'a kiln at dusk' }, images: [{ n: 0 }, { n: 1 }] },
      links: { delivery: `https://kiln.example/v1/webhooks/deliveries/msg_${ref.id}_completed` },
    });
    expect(JSON.stringify(body)).toContain(`https://kiln.example/v1/jobs/${ref.id}/images/0?expires=`);
    expect(states).toEqual(['running', 'succeeded']);
    expect(await c().until(completed!.id, ({ state }) => state === 'delivered')).toMatchObject({ tries: 1 });
  });

  it.each(['failed', 'cancelled'] as const)('that is %s says so', async (event) => {
    await c().start();
    const ref = await c().admitted(c().hook('/end', ['failed', 'cancelled']));
    if (event === 'failed')
      await c().q.records.reject(ref, { code: 'model_broken', message: 'no such layer' });
    else await c().q.records.cancel(ref);
    const [told] = await c().receiver.at('/end');
    expect(verified(NEW_SECRET, told!)).toMatchObject({
      type: `job.${event}`,
      data: { id: ref.id, state: event },
    });
  });

  it('without a webhook is told of to the farm’s, one with its own only to that', async () => {
    await c().start({ KILN_WEBHOOK_URL: `${c().receiver.origin}/farm`, KILN_WEBHOOK_EVENTS: 'completed' });
    const [own, silent, plain] = [
      await c().admitted(c().hook('/own')),
      await c().admitted(c().hook('/own', [])),
      await c().admitted(),
    ];
    for (const ref of [own, silent, plain]) await c().complete(ref);
    expect((await c().receiver.at('/farm')).map(({ id }) => id)).toEqual([`msg_${plain.id}_completed`]);
    expect((await c().receiver.at('/own')).map(({ id }) => id)).toEqual([`msg_${own.id}_completed`]);
    const page = await c().deliveries.list('default', { limit: 10 });
    expect(page.deliveries).toHaveLength(2);
  });

  it('with endless texts makes a message below 20 kB that says what was cut', async () => {
    await c().start();
    const metadata = Object.fromEntries(Array.from({ length: 16 }, (_, n) => [`${n}`, '🏺'.repeat(512)]));
    const long = { prompt: '窯'.repeat(4_000), negativePrompt: '"'.repeat(4_000), metadata };
    await c().complete(await c().admitted({ ...c().hook('/long'), ...long }));
    const [told] = await c().receiver.at('/long');
    expect(told?.body.length).toBeLessThan(20_000);
    expect(verified(NEW_SECRET, told!)).toMatchObject({
      data: { request: { prompt: '窯'.repeat(500), metadata: {} }, images: [{ n: 0 }, { n: 1 }] },
      shortened: ['request.prompt', 'request.negative_prompt', 'request.metadata'],
    });
  });

  it('that is gone for good has nothing to tell', async () => {
    const message = aMessage({ url: `${c().receiver.origin}/gone` });
    await c().deliveries.enqueue(message);
    await c().start();
    const gone = await c().until(message.id, ({ state }) => state !== 'pending');
    expect(gone).toMatchObject({ state: 'dropped', reason: 'the job is gone', tries: 0 });
    expect(c().receiver.received).toEqual([]);
  });
});

it('a bulk is told of with its totals, once for each run', async () => {
  await c().start({ KILN_WEBHOOK_URL: `${c().receiver.origin}/bulk` });
  const bulk = newRef();
  const facts = {
    name: 'prompts.csv',
    rows: 3,
    images: 3,
    rejected: 1,
    priority: 'bulk',
    webhook: null,
  } as const;
  await new BulkRecords(c().q.redis, c().q.keys).accept(bulk, facts);
  const say = (fence: number) =>
    c().q.redis.xadd(
      c().q.keys.outbox,
      '*',
      ...Object.entries({ type: 'bulk.completed', tenant: 'default', id: bulk.id, fence, at: 5 }).flat(),
    );
  await say(0);
  await say(0);
  await say(1);
  const told = await c().receiver.at('/bulk', 2);
  expect(told.map(({ id }) => id).toSorted()).toEqual([
    `msg_${bulk.id}_completed`,
    `msg_${bulk.id}_completed_1`,
  ]);
  expect(verified(NEW_SECRET, told[0]!)).toMatchObject({
    type: 'bulk.completed',
    data: { id: bulk.id, rows: 3, rejected: 1, counts: { waiting: 3 } },
    links: { bulk: `https://kiln.example/v1/bulks/${bulk.id}` },
  });
});

describe('asked for again', () => {
  it('a message keeps its id and has a signature of its own time', async () => {
    await c().start();
    const ref = await c().admitted(c().hook('/again'));
    await c().complete(ref);
    const id = `msg_${ref.id}_completed`;
    await c().until(id, ({ state }) => state === 'delivered');
    expect(await c().deliveries.redeliver('default', id)).toBe('queued');
    const sent = await c().receiver.at('/again', 2);
    expect(sent.map((one) => one.id)).toEqual([id, id]);
    for (const one of sent) verified(NEW_SECRET, one);
    expect((await c().until(id, ({ attempts }) => attempts.length === 2)).state).toBe('delivered');
  });

  it('a trial says nothing of any job', async () => {
    await c().start();
    const message = aMessage({ event: 'test', subject: 'trial_1', url: `${c().receiver.origin}/trial` });
    await c().deliveries.enqueue(message);
    const [told] = await c().receiver.at('/trial');
    expect(verified(NEW_SECRET, told!)).toMatchObject({ type: 'webhook.test', data: {} });
    expect(await c().deliveries.read('default', message.id)).toMatchObject({ event: 'test' });
  });
});

describe('secrets that the farm makes', () => {
  it('sign messages; after a rotation both do, the new one first', async () => {
    const secrets = new WebhookSecrets(c().q.redis, c().q.keys);
    const [first = ''] = await secrets.read();
    expect(await Promise.all([secrets.read(), secrets.read()])).toEqual([[first], [first]]);
    await c().start({ KILN_WEBHOOK_SECRETS: '' });
    const [fresh = '', ...rest] = await secrets.rotate();
    expect(rest).toEqual([first]);
    await c().complete(await c().admitted(c().hook('/made')));
    const [told] = await c().receiver.at('/made');
    expect(verified(fresh, told!)).toEqual(verified(first, told!));
  });
});
