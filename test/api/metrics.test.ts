import { afterAll, beforeAll, expect, test } from 'vitest';
import { PlayedWorker, REQUEST, jobOf, startApi, type TestApi } from './test-api.ts';

const KEY = 'a-key-of-twenty-four-chars';
const authorization = `Bearer ${KEY}`;

let api: TestApi;
beforeAll(async () => {
  api = await startApi({ config: { apiKeys: [KEY] } });
});
afterAll(() => api.close());

async function metrics(): Promise<string> {
  const answer = await api.send('/metrics', { headers: { authorization } });
  expect(answer.status, answer.text).toBe(200);
  expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  return answer.text;
}

test('they need a key when keys are asked for', async () => {
  expect((await api.send('/metrics')).status).toBe(401);
});

test('they tell of jobs, lanes and workers of the whole farm, and of the requests of this process', async () => {
  const headers = { authorization };
  const done = jobOf(await api.post('/v1/jobs', REQUEST, headers));
  jobOf(await api.post('/v1/jobs', REQUEST, headers));
  await new PlayedWorker(api.parts).succeed(done.id, Buffer.from('image'));
  await api.parts.registry.announce({
    id: 'w1',
    host: 'h',
    pid: 1,
    device: 'cpu',
    state: 'ready',
    engine: 'ready',
    models: [],
    runningSamples: 3,
    slots: 8,
    stepMs: 10,
    busyShare: 0.75,
    startedAt: 1,
    seenAt: 2,
  });
  await api.send('/v1/jobs/no-such-job', { headers });
  const text = await metrics();
  for (const line of [
    'kiln_redis_up 1',
    'kiln_job_transitions_total{state="succeeded",kind="txt2img"} 1',
    'kiln_jobs{state="queued",kind="txt2img"} 1',
    'kiln_workers{state="ready"} 1',
    'kiln_worker_busy_ratio{worker="w1"} 0.75',
    'kiln_backlog_unmeasured_jobs 2',
    'kiln_http_request_seconds_count{method="GET",route="/v1/jobs/:id",status="4xx"} 1',
  ]) {
    expect(text).toContain(`${line}\n`);
  }
  expect(text).toMatch(/kiln_lane_jobs\{lane="pocket-base\.128x64"\} 2\n/);
});

test('without Redis they say so, and show no figures that are old', async () => {
  const later = await startApi({ config: { apiKeys: [KEY] } });
  await later.redis.kill('SIGKILL');
  const { text } = await later.send('/metrics', { headers: { authorization } });
  await later.close();
  expect(text).toContain('kiln_redis_up 0\n');
  expect(text).not.toContain('kiln_jobs{');
});
