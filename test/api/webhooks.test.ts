import type { Static, TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DeliveryList, DeliveryView, Redelivered } from '../../src/contract/webhook.ts';
import { loadConfig } from '../../src/config.ts';
import { WebhookQueue } from '../../src/queue/webhook-queue.ts';
import { Keys } from '../../src/queue/keys.ts';
import { aMessage, answered, ended } from '../queue/webhook-fixture.ts';
import { jobOf, problemOf, REQUEST, startApi, type Answer, type TestApi } from './test-api.ts';

const FARM = 'https://farm.example/hook';
const OWN = 'https://hooks.example/kiln?job=1';

let api: TestApi;
let queue: WebhookQueue;
beforeAll(async () => {
  api = await startApi({ config: { webhooks: loadConfig({ KILN_WEBHOOK_URL: FARM }).webhooks } });
  const { prefix, webhooks } = api.parts.config;
  const options = { leaseMs: 60_000, logTtlMs: webhooks.logTtlMs };
  queue = new WebhookQueue(api.redis.client(), new Keys(prefix), options);
});
afterAll(() => api.close());

function shaped<S extends TSchema>(shape: S, { text }: Answer): Static<S> {
  const body: unknown = JSON.parse(text);
  const check = Compile(shape);
  if (!check.Check(body)) throw new Error(`${text} does not fit: ${JSON.stringify(check.Errors(body))}`);
  return body;
}

/** A delivery that failed as often as the receiver said so. */
async function failed(status = 500, changes = {}): Promise<string> {
  const message = aMessage(changes);
  await api.parts.webhooks.enqueue(message);
  const { claimed } = await queue.claim(100, new Map());
  for (const held of claimed) {
    if (held.delivery.id === message.id) await queue.settle(held, ended(held, answered(status)));
  }
  return message.id;
}

describe('a job', () => {
  it('names its webhook, and tells of it again as it was understood', async () => {
    const some = jobOf(
      await api.post('/v1/jobs', { ...REQUEST, webhook: { url: OWN, events: ['started', 'progress'] } }),
    );
    expect(some.request.webhook).toEqual({ url: OWN, events: ['started', 'progress'] });
    const ends = jobOf(await api.post('/v1/jobs', { ...REQUEST, webhook: { url: OWN } }));
    expect(ends.request.webhook).toEqual({ url: OWN, events: ['completed', 'failed', 'cancelled'] });
    expect(jobOf(await api.post('/v1/jobs', REQUEST)).request.webhook).toBeNull();
    expect(jobOf(await api.post('/v1/jobs', some.request)).request).toEqual(some.request);
  });

  it.each([
    ['http://hooks.example/', 'webhook.url', 'has the scheme http; https is taken'],
    ['https://hooks.example:8443/', 'webhook.url', 'has port 8443; 443 for https is taken'],
    ['https://me:secret@hooks.example/', 'webhook.url', 'holds a user name or a password'],
    ['https://127.0.0.1/', 'webhook.url', 'leads to an address that is not public'],
    ['https://[::ffff:10.0.0.1]/', 'webhook.url', 'leads to an address that is not public'],
    ['file:///etc/passwd', 'webhook.url', 'has the scheme file; https is taken'],
    ['hooks.example', 'webhook.url', 'is not a URL'],
    ['', 'webhook.url', 'must have at least 1 characters'],
    [`https://a.example/${'x'.repeat(2_048)}`, 'webhook.url', 'must have at most 2048 characters'],
  ])('at %s is refused with a reason', async (url, field, message) => {
    const { status, errors } = problemOf(await api.post('/v1/jobs', { ...REQUEST, webhook: { url } }));
    expect({ status, errors }).toMatchObject({ status: 400, errors: [{ field, message }] });
  });

  it.each([
    [{ url: OWN, events: ['done'] }, 'webhook.events.0'],
    [{ url: OWN, events: ['bulk.completed'] }, 'webhook.events.0'],
    [{ url: OWN, events: 'completed' }, 'webhook.events'],
    [{ url: OWN, secret: 'x' }, 'webhook.secret'],
    [{ events: [] }, 'webhook.url'],
    ['https://hooks.example/', 'webhook'],
  ])('with the webhook %j is refused', async (webhook, field) => {
    const { errors } = problemOf(await api.post('/v1/jobs', { ...REQUEST, webhook }));
    expect(errors.map((fault) => fault.field)).toEqual([field]);
  });
});

describe('deliveries', () => {
  it('are listed and looked at with their attempts', async () => {
    const id = await failed();
    const one = shaped(DeliveryView, await api.send(`/v1/webhooks/deliveries/${id}`));
    expect(one).toMatchObject({
      id,
      event: 'completed',
      state: 'pending',
      tries: 1,
      attempts: [{ status: 500, duration_ms: 2, answer: 'thanks' }],
      next_attempt_at: expect.stringMatching(/Z$/),
      finished_at: null,
      endpoint: { failures: 1, paused_until: null, disabled: null },
    });
    expect(one.links.self).toBe(`${api.url}/v1/webhooks/deliveries/${id}`);
    const list = shaped(
      DeliveryList,
      await api.send(`/v1/webhooks/deliveries?state=pending&subject=${one.subject}&limit=5`),
    );
    expect(list).toEqual({ deliveries: [one], cursor: null });
  });

  it('that are not there are not found, and filters that mean nothing are refused', async () => {
    expect(problemOf(await api.send('/v1/webhooks/deliveries/msg_none')).code).toBe('not_found');
    expect(problemOf(await api.post('/v1/webhooks/deliveries/msg_none/redeliver')).code).toBe('not_found');
    for (const query of ['state=done', 'limit=0', 'since=yesterday', 'cursor=x', 'color=red']) {
      expect(problemOf(await api.send(`/v1/webhooks/deliveries?${query}`)).status).toBe(400);
    }
  });

  it('are delivered again one by one', async () => {
    const id = await failed(410, { url: 'https://gone.example/' });
    const before = shaped(DeliveryView, await api.send(`/v1/webhooks/deliveries/${id}`));
    expect(before).toMatchObject({
      state: 'dropped',
      endpoint: { disabled: 'the endpoint answered 410 Gone' },
    });
    const answer = await api.send(new URL(before.links.redeliver).pathname, { method: 'POST' });
    expect(answer.status).toBe(202);
    expect(shaped(DeliveryView, answer)).toMatchObject({
      id,
      state: 'pending',
      tries: 0,
      attempts: [{ status: 410 }],
      endpoint: { failures: 0, disabled: null },
    });
  });

  it('are delivered again by a range, which takes what has failed', async () => {
    const since = new Date(Date.now() - 60_000).toISOString();
    const gone = await failed(410, { url: 'https://range.example/', event: 'failed' });
    const fine = await failed(200, { url: 'https://range.example/2', event: 'failed' });
    const again = await api.post('/v1/webhooks/deliveries/redeliver', { since, event: 'failed' });
    expect(again.status).toBe(202);
    expect(shaped(Redelivered, again)).toEqual({ redelivered: 1, cursor: null });
    const { claimed } = await queue.claim(100, new Map());
    const ids = claimed.map(({ delivery }) => delivery.id);
    expect(ids).toContain(gone);
    expect(ids).not.toContain(fine);
    expect(problemOf(await api.post('/v1/webhooks/deliveries/redeliver', {})).errors).toMatchObject([
      { field: 'since' },
    ]);
  });
});

describe('a trial', () => {
  it('goes to the address given, or to the farm’s', async () => {
    for (const [body, url] of [
      [{ url: OWN }, OWN],
      [{}, FARM],
    ] as const) {
      const answer = await api.post('/v1/webhooks/test', body);
      expect(answer.status).toBe(202);
      const view = shaped(DeliveryView, answer);
      expect(view).toMatchObject({ event: 'test', subject: null, url, state: 'pending' });
      expect(answer.headers.get('location')).toBe(view.links.self);
    }
  });

  it('is guarded like any other', async () => {
    const { errors } = problemOf(await api.post('/v1/webhooks/test', { url: 'https://10.0.0.1/?secret=1' }));
    expect(errors).toEqual([
      {
        field: 'url',
        value: 'https://10.0.0.1/?[redacted]',
        message: 'leads to an address that is not public',
      },
    ]);
  });
});
