import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config.ts';
import { secretFault, signedHeaders } from '../../src/net/webhook-signature.ts';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const OLD = `whsec_${Buffer.alloc(64, 7).toString('base64')}`;
const BODY = Buffer.from('{"test": 2432232314}');

it('signs as the vector of Standard Webhooks has it', () => {
  expect(signedHeaders('msg_p5jXN8AQM9LWM0D4loKWxJek', 1_614_265_330_999, BODY, [SECRET])).toEqual({
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  });
});

describe('during a rotation', () => {
  const headers = signedHeaders('msg_1', Date.now(), BODY, [SECRET, OLD]);

  it.each([SECRET, OLD])('a receiver with either secret takes the message', (secret) => {
    expect(new Webhook(secret).verify(BODY, headers)).toEqual({ test: 2_432_232_314 });
  });

  it('nobody takes another body, id or time, or has another secret', () => {
    const webhook = new Webhook(SECRET);
    expect(() => webhook.verify('{"test": 1}', headers)).toThrow('No matching signature');
    expect(() => webhook.verify(BODY, { ...headers, 'webhook-id': 'msg_2' })).toThrow('No matching');
    expect(() => webhook.verify(BODY, { ...headers, 'webhook-timestamp': '1614265330' })).toThrow('too old');
    expect(() => new Webhook(OLD.replace('B', 'C')).verify(BODY, headers)).toThrow('No matching');
  });
});

describe('KILN_WEBHOOK_SECRETS', () => {
  it('is a list, the newest first', () => {
    const { webhooks } = loadConfig({ KILN_WEBHOOK_SECRETS: `${SECRET}, ${OLD}` });
    expect(webhooks.secrets).toEqual([SECRET, OLD]);
  });

  it.each([
    ['hunter2', 'is not whsec_ and base64'],
    ['whsec_hunter two', 'is not whsec_ and base64'],
    [`whsec_${Buffer.alloc(23).toString('base64')}`, 'stands for 23 bytes; 24 to 64 are taken'],
    [`whsec_${Buffer.alloc(65).toString('base64')}`, 'stands for 65 bytes; 24 to 64 are taken'],
  ])('holds no weak secret, and is not told by the fault: %s', (secret, fault) => {
    expect(secretFault(secret)).toBe(fault);
    expect(() => loadConfig({ KILN_WEBHOOK_SECRETS: `${SECRET},${secret}` })).toThrow(
      `KILN_WEBHOOK_SECRETS: number 2 ${fault}`,
    );
  });
});

describe('the webhook of the farm', () => {
  it('is told of the ends unless other events are named', () => {
    const at = { KILN_WEBHOOK_URL: 'https://a.example/hook' };
    expect(loadConfig({}).webhooks.fallback).toBeNull();
    expect(loadConfig(at).webhooks.fallback).toEqual({
      url: 'https://a.example/hook',
      events: ['completed', 'failed', 'cancelled', 'bulk.completed'],
    });
    const events = { KILN_WEBHOOK_EVENTS: 'started, bulk.completed' };
    expect(loadConfig({ ...at, ...events }).webhooks.fallback?.events).toEqual(['started', 'bulk.completed']);
    expect(() => loadConfig({ ...at, KILN_WEBHOOK_EVENTS: 'done' })).toThrow(
      'KILN_WEBHOOK_EVENTS: done is none of',
    );
  });

  it('may lie where others may not only when its origin is allowed', () => {
    const at = { KILN_WEBHOOK_URL: 'http://10.0.0.5:9000/hook' };
    expect(() => loadConfig(at)).toThrow(/^KILN_WEBHOOK_URL has the scheme http; .* KILN_WEBHOOK_ALLOW/);
    expect(loadConfig({ ...at, KILN_WEBHOOK_ALLOW: 'http://10.0.0.5:9000' }).webhooks.fallback?.url).toBe(
      'http://10.0.0.5:9000/hook',
    );
  });
});
