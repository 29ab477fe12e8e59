import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LIMITS } from '../../src/domain/limits.ts';
import { REQUEST, jobOf, problemOf, startApi, type TestApi } from './test-api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

const JSON_TYPE = { 'content-type': 'application/json' };
const postRaw = (body: RequestInit['body'], headers: Record<string, string> = JSON_TYPE) =>
  api.send('/v1/jobs', { method: 'POST', headers, body: body ?? null });

describe('a body that is not the JSON it should be', () => {
  test.each<[string, RequestInit['body'], number, string]>([
    ['broken JSON', '{"kind":', 400, 'invalid_request'],
    ['a bare list', '[]', 400, 'invalid_request'],
    ['nothing', '', 400, 'invalid_request'],
    ['NaN', '{"kind":"txt2img","prompt":"x","steps":NaN}', 400, 'invalid_request'],
    ['a number past all doubles', '{"kind":"txt2img","prompt":"x","steps":1e999}', 400, 'invalid_request'],
    ['__proto__', '{"kind":"txt2img","prompt":"x","__proto__":{"steps":1}}', 400, 'invalid_request'],
    [
      '__proto__ inside',
      '{"kind":"txt2img","prompt":"x","metadata":{"__proto__":"x"}}',
      400,
      'invalid_request',
    ],
    [
      'constructor.prototype',
      '{"kind":"txt2img","prompt":"x","constructor":{"prototype":{}}}',
      400,
      'invalid_request',
    ],
    ['deep nesting', `${'['.repeat(100_000)}${']'.repeat(100_000)}`, 400, 'invalid_request'],
    [
      'deep nesting in a field',
      `{"metadata":${'{"a":'.repeat(30_000)}1${'}'.repeat(30_000)}}`,
      400,
      'invalid_request',
    ],
    [
      'bytes that are not UTF-8',
      Buffer.from('{"kind":"txt2img","prompt":"\xff\xfe"}', 'latin1'),
      400,
      'invalid_request',
    ],
    [
      'an overlong NUL',
      Buffer.from('{"kind":"txt2img","prompt":"\xc0\x80"}', 'latin1'),
      400,
      'invalid_request',
    ],
    ['half an escaped pair', '{"kind":"txt2img","prompt":"\\ud83d"}', 400, 'invalid_request'],
    ['a 10 MB prompt', JSON.stringify({ ...REQUEST, prompt: 'x'.repeat(1e7) }), 400, 'invalid_request'],
    ['more than two images need', 'x'.repeat(LIMITS.submitBytes + 1), 413, 'payload_too_large'],
    ['a million values', `[${'0,'.repeat(1e6)}0]`, 413, 'payload_too_large'],
  ])('is refused: %s', async (_what, body, status, code) => {
    expect(problemOf(await postRaw(body))).toMatchObject({ status, code });
  });

  test.each<[string, Record<string, string>]>([
    ['no type', {}],
    ['plain text', { 'content-type': 'text/plain' }],
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['nonsense', { 'content-type': ';;;' }],
    ['a compressed body', { ...JSON_TYPE, 'content-encoding': 'gzip' }],
  ])('is refused by its type: %s', async (_what, headers) => {
    const text = JSON.stringify(REQUEST);
    // A Blob without a type keeps fetch from adding one.
    const body = new Blob([headers['content-encoding'] === undefined ? text : gzipSync(text)]);
    expect(problemOf(await postRaw(body, headers))).toMatchObject({
      status: 415,
      code: 'unsupported_media_type',
    });
  });

  test('is large enough for every request within the limits, however it is escaped', async () => {
    const worst = '😀'.repeat(LIMITS.promptChars);
    const metadata = Object.fromEntries(
      Array.from({ length: LIMITS.metadataKeys }, (_, n) => [
        String.fromCodePoint(0x1f600 + n).repeat(LIMITS.metadataKeyChars),
        '😀'.repeat(LIMITS.metadataValueChars),
      ]),
    );
    const text = JSON.stringify({ ...REQUEST, prompt: worst, negative_prompt: worst, metadata });
    const escaped = text.replace(/[\ud800-\udfff]/g, (half) => `\\u${half.charCodeAt(0).toString(16)}`);
    expect(escaped.length).toBeGreaterThan(200_000);
    jobOf(await postRaw(escaped));
  });

  test('may start with a byte order mark and name its charset', async () => {
    const headers = { 'content-type': 'application/json; charset=utf-8' };
    jobOf(await postRaw(`\uFEFF${JSON.stringify(REQUEST)}`, headers));
  });
});

describe('an address without a handler', () => {
  test.each(['/', '/v1', '/v1/job', '/v1/jobs/', '/docs/none', '/v1/jobs/x/images', '/%', '/v1/jobs/%ff'])(
    'is a problem: %s',
    async (path) => {
      const problem = problemOf(await api.send(path));
      expect(problem.code).toBe(path.includes('%') ? 'invalid_request' : 'not_found');
    },
  );

  test.each([
    ['DELETE', '/v1/jobs', 'GET, HEAD, POST'],
    ['PUT', '/v1/jobs/job_1', 'GET, HEAD'],
    ['GET', '/v1/jobs/job_1/cancel', 'POST'],
    ['POST', '/healthz', 'GET, HEAD'],
    ['OPTIONS', '/v1/jobs', 'GET, HEAD, POST'],
  ])('lists the methods that it takes: %s %s', async (method, path, allow) => {
    const answer = await api.send(path, { method });
    expect(problemOf(answer)).toMatchObject({ status: 405, code: 'method_not_allowed' });
    expect(answer.headers.get('allow')).toBe(allow);
  });
});

describe('bytes that are no request', () => {
  /** Sends the bytes and gives all that comes back until the server hangs up. */
  function exchange(bytes: string): Promise<string> {
    return new Promise((resolve, reject) => {
      let received = '';
      const socket = connect(Number(new URL(api.url).port), '127.0.0.1', () => socket.write(bytes));
      socket.on('data', (chunk) => (received += chunk.toString()));
      socket.on('error', reject);
      socket.on('close', () => resolve(received));
    });
  }
  const HEAD = 'POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\n';

  test.each([
    ['noise', 'hello\r\n\r\n', '400', 'invalid_request'],
    [
      'two lengths',
      `${HEAD}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      '400',
      'invalid_request',
    ],
    ['no Host', 'GET /healthz HTTP/1.1\r\n\r\n', '400', ''],
    ['20 kB of headers', `${HEAD}X: ${'x'.repeat(20_000)}\r\n\r\n`, '431', 'headers_too_large'],
    ['headers that never end', HEAD, '408', 'request_timeout'],
  ])('are answered and cut off: %s', async (_what, bytes, status, code) => {
    const answer = await exchange(bytes);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status}`));
    expect(answer).toContain(code);
  });
});
