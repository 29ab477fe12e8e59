/** Keys that Kiln makes, and how often their owners may call. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { KnownKeys } from '../../api/access/known-keys.ts';
import { apiKeyId, digestOfKey, newApiKey } from '../../src/api-key.ts';
import { problemOf, startApi, type Answer, type TestApi } from './test-api.ts';

const CONFIGURED = 'a-key-of-twenty-four-chars';

let api: TestApi;
afterAll(() => api.close());

function asked(key: string): Promise<Answer> {
  return api.send('/v1/samplers', { headers: { authorization: `Bearer ${key}` } });
}

async function given(lifeMs: number | null = null): Promise<{ id: string; key: string }> {
  const { id, key } = newApiKey();
  const sha256 = digestOfKey(key).toString('hex');
  await api.parts.apiKeys.add({ id, sha256, tenant: 'default', name: 'a test', lifeMs });
  return { id, key };
}

describe('keys that Kiln made', () => {
  beforeAll(async () => {
    api = await startApi({ config: { requireKey: true } });
  });

  test('are asked for when the settings say so, though they name none', async () => {
    expect(problemOf(await api.send('/v1/samplers')).code).toBe('unauthorized');
  });

  test('are taken as soon as they are made', async () => {
    const { key } = await given();
    await expect.poll(async () => (await asked(key)).status, { interval: 20 }).toBe(200);
  });

  test('are not known by their id alone: another secret with a right checksum is refused', async () => {
    const { id, key } = await given();
    await expect.poll(async () => (await asked(key)).status, { interval: 20 }).toBe(200);
    const other = newApiKey();
    for (const forged of [other.key, other.key.replace(other.id, id), key.slice(0, -1)]) {
      expect((await asked(forged)).status).toBe(401);
    }
  });

  test('are kept as hashes only', async () => {
    const { id, key } = await given();
    const kept = JSON.stringify(await api.redis.client().hgetall('{kiln}:api-keys'));
    expect(kept).toContain(id);
    expect(kept).not.toContain(key.slice(20, 60));
  });

  test('have a checksum, so that a slip of the pen is told without asking anybody', () => {
    const { id, key } = newApiKey();
    expect(apiKeyId(key)).toBe(id);
    expect(apiKeyId(`${key.slice(0, -9)}${key.at(-9) === '0' ? '1' : '0'}${key.slice(-8)}`)).toBeUndefined();
  });
});

describe('what a process knows of keys', () => {
  let now = 0;
  let known: KnownKeys;
  beforeEach(() => {
    known = new KnownKeys({ configured: [CONFIGURED], records: api.parts.apiKeys, now: () => now });
  });

  test('ends within five seconds after a key was revoked', async () => {
    const { id, key } = await given();
    expect(await known.callerOf(key)).toEqual({ key: id, tenant: 'default' });
    expect(await api.parts.apiKeys.revoke(id)).toBe(true);
    now += 5_000;
    expect(await known.callerOf(key)).toBeUndefined();
    expect(await api.parts.apiKeys.revoke(id)).toBe(false);
  });

  test('ends when a key expires', async () => {
    const { key } = await given(60_000);
    expect(await known.callerOf(key)).toBeDefined();
    now += 1_000;
    expect(await known.callerOf(key)).toBeDefined();
    const { key: ended } = await given(0);
    now += 1_000;
    expect(await known.callerOf(ended)).toBeUndefined();
  });

  test('outlasts an absent Redis by five seconds, but for keys of the settings', async () => {
    const { id, key } = await given();
    await known.callerOf(key);
    await api.redis.kill('SIGKILL');
    now += 4_000;
    expect(await known.callerOf(key)).toEqual({ key: id, tenant: 'default' });
    now += 2_000;
    await expect(known.callerOf(key)).rejects.toThrow(/Redis|connect|writeable|closed|retries/i);
    expect(await known.callerOf(CONFIGURED)).toEqual({ key: 'configured-1', tenant: 'default' });
    await expect.poll(async () => (await asked(key)).status, { interval: 20 }).toBe(503);
  });
});

describe('the rate limit', () => {
  beforeAll(async () => {
    await api.close();
    api = await startApi({ config: { apiKeys: [CONFIGURED, `${CONFIGURED}-2`], rateLimit: 5 } });
  });

  test('lets a key ask so often a minute, then says when to come back; others are not held up', async () => {
    const answers = [];
    for (let n = 0; n < 6; n++) answers.push(await asked(CONFIGURED));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 429]);
    expect(answers[4]?.headers.get('x-ratelimit-remaining')).toBe('0');
    const refused = answers[5]!;
    expect(problemOf(refused).code).toBe('rate_limited');
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await asked(`${CONFIGURED}-2`)).status).toBe(200);
  });

  test('counts guesses of keys and of addresses together, by where they come from', async () => {
    const statuses = [];
    for (let n = 0; n < 3; n++) statuses.push((await asked(`wrong-${n}`)).status);
    for (let n = 0; n < 3; n++) statuses.push((await api.send(`/nothing-${n}`)).status);
    expect(statuses).toEqual([401, 401, 401, 404, 404, 429]);
  });

  test('is kept by each process alone while Redis is away', async () => {
    const key = `${CONFIGURED}-2`;
    await api.redis.kill('SIGKILL');
    const statuses = [];
    for (let n = 0; n < 5; n++) statuses.push((await asked(key)).status);
    expect(statuses.at(-1)).toBe(429);
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThan(0);
  });

  test('leaves health checks alone', async () => {
    const statuses = [];
    for (let n = 0; n < 8; n++) statuses.push((await api.send('/healthz')).status);
    expect(new Set(statuses)).toEqual(new Set([200]));
  });
});
