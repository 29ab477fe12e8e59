import { describe, expect, it } from 'vitest';
import { courierFixture } from './webhook-fixture.ts';

const c = courierFixture();

describe('a receiver', () => {
  it.each([
    ['hang', { status: null, error: 'did not answer within 1 s' }],
    ['drip_headers', { status: null, error: 'did not answer within 1 s' }],
    ['reset', { status: null, error: 'broke off without an answer' }],
    [
      { status: 302, headers: { location: '/elsewhere' } },
      { status: 302, error: null },
    ],
    [
      { status: 500, body: 'oh dear' },
      { status: 500, answer: 'oh dear' },
    ],
  ] as const)(
    'that does %j and then answers well has the message twice under one id',
    async (behaviour, attempt) => {
      c().receiver.answer('/moody', behaviour, { status: 200, body: 'ok' });
      await c().start({ KILN_WEBHOOK_TIMEOUT_SECONDS: '1' });
      const ref = await c().admitted(c().hook('/moody'));
      await c().complete(ref);
      const id = `msg_${ref.id}_completed`;
      const failed = await c().until(id, ({ tries }) => tries === 1);
      expect(failed).toMatchObject({ state: 'pending', attempts: [attempt] });
      await c().letTimePass();
      const done = await c().until(id, ({ state }) => state === 'delivered');
      expect(done.attempts).toMatchObject([attempt, { status: 200, answer: 'ok' }]);
      const sent = await c().receiver.at('/moody', 2);
      expect(sent.map((one) => one.id)).toEqual([id, id]);
      expect(c().receiver.received).toHaveLength(2);
    },
  );

  it('that answers 200 and then drips has the message', async () => {
    c().receiver.answer('/drips', 'drip_body');
    await c().start({ KILN_WEBHOOK_TIMEOUT_SECONDS: '1' });
    const ref = await c().admitted(c().hook('/drips'));
    await c().complete(ref);
    const done = await c().until(`msg_${ref.id}_completed`, ({ tries }) => tries === 1);
    expect(done).toMatchObject({ state: 'delivered', attempts: [{ status: 200, error: null }] });
  });

  it('that is dead delays nobody else', async () => {
    c().receiver.answer('/dead', 'hang');
    await c().start();
    const dead = [];
    for (let n = 0; n < 40; n++) dead.push(await c().admitted(c().hook('/dead')));
    for (const ref of dead) await c().complete(ref);
    await c().receiver.at('/dead', 8);
    await c().complete(await c().admitted(c().hook('/alive')));
    await c().receiver.at('/alive');
    // Not one of the others has even failed yet.
    for (const { id } of dead) {
      const waiting = await c().until(`msg_${id}_completed`, () => true);
      expect(waiting).toMatchObject({ state: 'pending', tries: 0 });
    }
  });

  it('that is gone is sent nothing more', async () => {
    c().receiver.answer('/gone', { status: 410 });
    await c().start();
    const first = await c().admitted(c().hook('/gone'));
    await c().complete(first);
    await c().until(`msg_${first.id}_completed`, ({ state }) => state === 'dropped');
    const second = await c().admitted(c().hook('/gone'));
    await c().complete(second);
    const dropped = await c().until(`msg_${second.id}_completed`, ({ state }) => state === 'dropped');
    expect(dropped).toMatchObject({ reason: 'the endpoint answered 410 Gone', tries: 0 });
    expect(c().receiver.received).toHaveLength(1);
  });

  it('at an address that is not public is not sent to, also when that shows only at the time of sending', async () => {
    await c().start({ KILN_WEBHOOK_ALLOW: '' });
    const ref = await c().admitted({ webhook: { url: 'https://localhost/hook', events: ['completed'] } });
    await c().complete(ref);
    const refused = await c().until(`msg_${ref.id}_completed`, ({ tries }) => tries === 1);
    expect(refused.attempts).toMatchObject([
      { status: null, error: 'leads to an address that is not public' },
    ]);
  });
});
