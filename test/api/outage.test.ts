import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Redis } from 'ioredis';
import {
  PlayedWorker,
  REQUEST,
  jobOf,
  listOf,
  problemOf,
  startApi,
  type Answer,
  type TestApi,
} from './test-api.ts';

/** A caller that gives up after this long must have had its answer. */
const PATIENCE_MS = 3_000;
const BACK = { timeout: 10_000, interval: 50 };

let api: TestApi;
let admin: Redis;
beforeAll(async () => {
  api = await startApi();
  admin = api.redis.client();
});
afterAll(() => api.close());

const ask = (path: string, method = 'GET', headers: Record<string, string> = {}): Promise<Answer> =>
  api.send(path, {
    method,
    headers: {
      ...headers,
      ...(path === '/v1/jobs' && method === 'POST' ? { 'content-type': 'application/json' } : {}),
    },
    ...(path === '/v1/jobs' && method === 'POST' ? { body: JSON.stringify(REQUEST) } : {}),
    signal: AbortSignal.timeout(PATIENCE_MS),
  });

async function expectRefusals(id: string): Promise<void> {
  const answers = await Promise.all([
    ask('/v1/jobs', 'POST'),
    ask('/v1/jobs', 'POST', { prefer: 'wait=30' }),
    ask('/v1/jobs'),
    ask(`/v1/jobs/${id}`),
    ask(`/v1/jobs/${id}/cancel`, 'POST'),
    ask('/v1/models'),
    ask('/v1/workers'),
    ask('/readyz'),
  ]);
  for (const answer of answers) {
    expect(problemOf(answer)).toMatchObject({ status: 503, code: 'unavailable' });
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(answer.text).not.toMatch(/ioredis|127\.0\.0\.1|ECONN|at .*\.[jt]s/);
  }
  expect(problemOf(answers.at(-1)!).errors).toEqual([{ field: 'redis', message: 'does not answer' }]);
  expect((await ask('/healthz')).status).toBe(200);
}

const expectRecovery = (): Promise<void> =>
  vi.waitFor(async () => {
    expect((await api.post('/v1/jobs', REQUEST)).status).toBe(202);
  }, BACK);

describe('while Redis', () => {
  test('is frozen, everything that needs it is refused in time, and works again after', async () => {
    const { id } = jobOf(await api.post('/v1/jobs', REQUEST));
    await api.redis.kill('SIGSTOP');
    await expectRefusals(id);
    await api.redis.kill('SIGCONT');
    await expectRecovery();
    expect(jobOf(await api.send(`/v1/jobs/${id}`)).id).toBe(id);
  });

  test('is dead, everything that needs it is refused in time, and works again after', async () => {
    const { id } = jobOf(await api.post('/v1/jobs', REQUEST));
    await api.redis.kill('SIGKILL');
    await expectRefusals(id);
    await api.redis.restart();
    await expectRecovery();
  });

  test('dies and returns, a caller that waits for a job still gets it', async () => {
    const key = { 'idempotency-key': 'through-an-outage' };
    const { id } = jobOf(await api.post('/v1/jobs', REQUEST, key));
    await admin.config('RESETSTAT');
    const answer = api.post('/v1/jobs', REQUEST, { ...key, prefer: 'wait=30' });
    // Reading the record is the last that it does before it waits.
    await vi.waitFor(async () => expect(await admin.info('commandstats')).toContain('cmdstat_hgetall'), BACK);
    await api.redis.kill('SIGKILL');
    await api.redis.restart();
    await expectRecovery();
    await new PlayedWorker(api.parts).succeed(id, Buffer.from('image'));
    expect([(await answer).status, jobOf(await answer).state]).toEqual([200, 'succeeded']);
  });

  test('is out of memory, new jobs are refused and old ones can be read', async () => {
    const { id } = jobOf(await api.post('/v1/jobs', REQUEST));
    await admin.config('SET', 'maxmemory', '1');
    expect(problemOf(await ask('/v1/jobs', 'POST')).code).toBe('unavailable');
    expect(jobOf(await ask(`/v1/jobs/${id}`)).id).toBe(id);
    await admin.config('SET', 'maxmemory', '0');
    await expectRecovery();
  });
});

test('a submit whose outcome is unknown says so, and the same key then gives the one job', async () => {
  const key = { 'idempotency-key': 'unknown' };
  const before = listOf(await api.send('/v1/jobs?limit=200')).jobs.length;
  // Reads are answered, writes wait: the admission is sent, times out, and is carried out after all.
  await admin.client('PAUSE', 2_500, 'WRITE');
  const problem = problemOf(await ask('/v1/jobs', 'POST', key));
  expect(problem.code).toBe('unavailable');
  expect(problem.detail).toContain('not known whether the job was accepted');
  expect(problem.detail).toContain('same Idempotency-Key');
  await admin.client('UNPAUSE');
  const first = jobOf(await api.post('/v1/jobs', REQUEST, key));
  expect(jobOf(await api.post('/v1/jobs', REQUEST, key)).id).toBe(first.id);
  expect(listOf(await api.send('/v1/jobs?limit=200')).jobs).toHaveLength(before + 1);
});

test('without a model on offer the API is alive but not ready', async () => {
  await admin.flushall();
  expect(problemOf(await api.send('/readyz'))).toMatchObject({
    status: 503,
    code: 'unavailable',
    errors: [{ field: 'models', message: 'no worker offers a model' }],
  });
  const problem = problemOf(await api.post('/v1/jobs', { ...REQUEST, model: 'any' }));
  expect(problem.code).toBe('unknown_model');
});
