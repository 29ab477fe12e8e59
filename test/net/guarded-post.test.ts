import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { guardedPost } from '../../src/net/guarded-post.ts';
import { WebhookReceiver } from '../support/webhook-receiver.ts';

const BODY = Buffer.from('{"a":1}');

let receiver: WebhookReceiver;
beforeAll(async () => {
  receiver = await new WebhookReceiver().start();
});
afterAll(() => receiver.close());

function post(
  path: string,
  { deadlineMs = 10_000, allowed = [receiver.origin], url = receiver.origin + path } = {},
) {
  const policy = { allowHttp: true, allowedOrigins: new Set(allowed) };
  return guardedPost(url, BODY, { policy, deadlineMs, headers: { 'x-own': 'yes' } });
}

it('sends the bytes and gives the status and the start of the answer', async () => {
  receiver.answer('/fine', { status: 202, body: 'é'.repeat(10_000), headers: { 'retry-after': '7' } });
  const answer = await post('/fine');
  expect(answer).toEqual({ status: 202, retryAfter: '7', start: 'é'.repeat(256) });
  const [sent] = await receiver.at('/fine');
  expect(sent?.body).toEqual(BODY);
  expect(sent?.headers).toMatchObject({
    'x-own': 'yes',
    'accept-encoding': 'identity',
    'user-agent': 'Kiln',
  });
});

it('takes no redirect', async () => {
  receiver.answer('/moved', { status: 302, headers: { location: '/fine' } });
  const before = receiver.received.length;
  expect((await post('/moved')).status).toBe(302);
  expect(receiver.received.slice(before).map(({ path }) => path)).toEqual(['/moved']);
});

it('does not wait for a body that drips: the status has come', async () => {
  receiver.answer('/drips', 'drip_body');
  expect(await post('/drips', { deadlineMs: 300 })).toMatchObject({ status: 200 });
});

describe('no answer', () => {
  it.each([
    ['hang', 'did not answer within 0.2 s'],
    ['drip_headers', 'did not answer within 0.2 s'],
    ['reset', 'broke off without an answer'],
  ] as const)('of a receiver that does %s has a reason', async (behaviour, reason) => {
    receiver.answer(`/${behaviour}`, behaviour);
    await expect(post(`/${behaviour}`, { deadlineMs: 200 })).rejects.toThrow(reason);
  });

  it('comes from addresses that are not public, and none of them is connected to', async () => {
    const before = receiver.received.length;
    const { port } = new URL(receiver.origin);
    for (const [url, reason] of [
      [`http://127.0.0.1:${port}/`, `has port ${port}`],
      ['https://127.0.0.1/', 'not public'],
      ['https://localhost/', 'not public'],
      ['https://169.254.169.254/latest', 'not public'],
      ['https://user:secret@a.example/', 'user name or a password'],
      ['ftp://a.example/', 'scheme ftp'],
    ] as const) {
      await expect(post('', { url, allowed: [] })).rejects.toThrow(reason);
    }
    expect(receiver.received).toHaveLength(before);
  });
});
