import { request as httpRequest } from 'node:http';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PlayedWorker, REQUEST, jobOf, problemOf, startApi, type TestApi } from './test-api.ts';

const KEY = 'a-key-of-twenty-four-chars';
const OTHER = 'another-key-of-enough-chars';

/** fetch sets Host by itself, so that these requests are made by hand. */
function statusWith(url: string, headers: Record<string, string>): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { headers }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode));
    });
    request.on('error', reject);
    request.end();
  });
}

describe('with API keys', () => {
  let api: TestApi;
  const lines: string[] = [];
  beforeAll(async () => {
    const sink = new Writable({
      write(chunk, _encoding, done) {
        lines.push(String(chunk));
        done();
      },
    });
    api = await startApi({ config: { apiKeys: [KEY, OTHER] }, log: pino({ level: 'trace' }, sink) });
  });
  afterAll(() => api.close());

  test.each([
    'GET /v1/jobs',
    'POST /v1/jobs',
    'GET /v1/jobs/x',
    'POST /v1/jobs/x/cancel',
    'GET /v1/models',
    'GET /v1/samplers',
    'GET /v1/workers',
  ])('%s needs one', async (route) => {
    const [method = '', path = ''] = route.split(' ');
    const answer = await api.send(path, { method });
    expect(problemOf(answer)).toMatchObject({ status: 401, code: 'unauthorized' });
    expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="kiln"');
  });

  test.each([
    `Bearer ${KEY}x`,
    `Bearer ${KEY.slice(0, -1)}`,
    'Bearer',
    `Basic ${KEY}`,
    KEY,
    `Bearer ${KEY} ${OTHER}`,
    'Bearer \t',
  ])('refuses %j', async (authorization) => {
    expect((await api.send('/v1/jobs', { headers: { authorization } })).status).toBe(401);
  });

  test.each([KEY, OTHER])('takes each of them', async (key) => {
    expect((await api.send('/v1/jobs', { headers: { authorization: `bearer ${key}` } })).status).toBe(200);
  });

  test.each(['/healthz', '/readyz', '/openapi.json', '/docs/'])('%s needs none', async (path) => {
    expect((await api.send(path)).status).toBe(200);
  });

  test('an image link needs none: its signature is the permission', async () => {
    const headers = { authorization: `Bearer ${KEY}` };
    const { id } = jobOf(await api.post('/v1/jobs', REQUEST, headers));
    await new PlayedWorker(api.parts).succeed(id, Buffer.from('image'));
    const { images } = jobOf(await api.send(`/v1/jobs/${id}`, { headers }));
    const url = new URL(images[0]!.url);
    expect((await api.send(`${url.pathname}${url.search}`)).text).toBe('image');
  });

  test('takes any Host, since a foreign page has no key', async () => {
    expect(await statusWith(`${api.url}/healthz`, { host: 'kiln.example' })).toBe(200);
  });

  test('logs requests without keys, prompts and signatures', async () => {
    const prompt = 'nobody shall read this';
    const headers = { authorization: `Bearer ${KEY}` };
    const { id } = jobOf(await api.post('/v1/jobs', { ...REQUEST, prompt }, headers));
    await api.post('/v1/jobs', { ...REQUEST, prompt, steps: 0 }, headers);
    await api.send(`/v1/jobs/${id}/images/0?expires=1&signature=${'s'.repeat(43)}`);
    const log = lines.join('');
    expect(log).toContain(`/v1/jobs/${id}/images/0`);
    for (const secret of [prompt, KEY, 'sssss']) expect(log).not.toContain(secret);
  });
});

describe('without API keys', () => {
  let api: TestApi;
  beforeAll(async () => {
    api = await startApi({ config: { publicUrl: 'https://kiln.example/farm' } });
  });
  afterAll(() => api.close());

  test.each(['127.0.0.1', 'localhost:8080', 'LOCALHOST', '[::1]:80', 'kiln.example'])(
    'takes the Host %s',
    async (host) => {
      expect(await statusWith(`${api.url}/v1/jobs`, { host })).toBe(200);
    },
  );

  test.each([
    'evil.example',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    '10.0.0.1',
    'a b',
    '127.0.0.1:x',
  ])('refuses the Host %j, which a page on the web could have rebound', async (host) => {
    expect(await statusWith(`${api.url}/v1/jobs`, { host })).toBe(400);
  });

  test.each(['https://evil.example', 'null'])('refuses requests that a page of %s sends', async (origin) => {
    const problem = problemOf(await api.send('/v1/jobs', { headers: { origin } }));
    expect(problem.errors).toEqual([expect.objectContaining({ field: 'Origin', value: origin })]);
  });

  test('gives no page of another origin leave to read', async () => {
    const answer = await api.send('/v1/jobs', { headers: { origin: 'http://localhost:3000' } });
    expect([...answer.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
  });

  test('starts links with the public URL', async () => {
    const job = jobOf(await api.post('/v1/jobs', REQUEST));
    expect(job.links.self).toBe(`https://kiln.example/farm/v1/jobs/${job.id}`);
  });

  test('sends headers that keep answers from being run, framed, sniffed or kept', async () => {
    const { headers } = await api.send('/v1/jobs');
    expect(Object.fromEntries(headers)).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'cross-origin-resource-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
    });
    expect(headers.has('server') || headers.has('x-powered-by')).toBe(false);
  });
});
