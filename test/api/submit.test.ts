import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PlayedWorker, REQUEST, jobOf, listOf, problemOf, startApi, type TestApi } from './test-api.ts';

let api: TestApi;
let worker: PlayedWorker;
beforeAll(async () => {
  api = await startApi();
  worker = new PlayedWorker(api.parts);
});
afterAll(() => api.close());

describe('POST /v1/jobs', () => {
  test('accepts a job and leads to it', async () => {
    const answer = await api.post('/v1/jobs', REQUEST);
    const job = jobOf(answer);
    expect(answer.status).toBe(202);
    expect(answer.headers.get('location')).toBe(`${api.url}/v1/jobs/${job.id}`);
    expect(job.links).toEqual({
      self: `${api.url}/v1/jobs/${job.id}`,
      cancel: `${api.url}/v1/jobs/${job.id}/cancel`,
      events: `${api.url}/v1/jobs/${job.id}/events`,
    });
    expect(job).toMatchObject({
      state: 'queued',
      progress: { step: 0, steps: 20, eta_seconds: null },
      timings: { started_at: null, finished_at: null, queue_ms: null, render_ms: null },
      attempts: 0,
      average_batch: null,
      images: [],
      error: null,
    });
    expect(jobOf(await api.send(`/v1/jobs/${job.id}`)).request).toEqual(job.request);
  });

  test('shows every effective parameter, and takes them back as a request of the same meaning', async () => {
    const { request } = jobOf(await api.post('/v1/jobs', { ...REQUEST, images: 3, metadata: { sku: '12' } }));
    expect(request).toMatchObject({
      model: 'pocket-base',
      width: 128,
      height: 64,
      steps: 20,
      guidance_scale: 7.5,
      guidance_rescale: 0,
      clip_skip: 0,
      sampler: 'dpmpp_2m',
      images: 3,
      priority: 'normal',
      output: { format: 'png', quality: 90 },
      metadata: { sku: '12' },
    });
    expect(jobOf(await api.post('/v1/jobs', request)).request).toEqual(request);
  });

  test('draws another seed for every job that names none', async () => {
    const [one, two] = [
      jobOf(await api.post('/v1/jobs', REQUEST)),
      jobOf(await api.post('/v1/jobs', REQUEST)),
    ];
    expect(one.request.seed).not.toBe(two.request.seed);
  });

  test.each([
    ['emoji, ZWJ sequences and flags', '👩‍👩‍👧‍👦 🏳️‍🌈 🇺🇦 👍🏽'],
    ['right-to-left text', 'منارة عند الفجر \u200Fשלום\u200F'],
    ['combining marks, unnormalised', 'e\u0301 é ﬁ Ω'],
    ['text that looks like code', '"\\ {{}} <script> \'; DROP TABLE -- %s ${x} \u2028\u2029'],
  ])('gives back %s as sent', async (_what, prompt) => {
    const label = Array.from(prompt).slice(0, 8).join('');
    const job = jobOf(await api.post('/v1/jobs', { ...REQUEST, prompt, metadata: { [label]: prompt } }));
    const read = jobOf(await api.send(`/v1/jobs/${job.id}`));
    expect(read.request.prompt).toBe(prompt);
    expect(read.request.metadata).toEqual({ [label]: prompt });
  });

  test('orders waiting jobs by priority', async () => {
    const size = { width: 256, height: 256 };
    const bulk = jobOf(await api.post('/v1/jobs', { ...REQUEST, ...size, priority: 'bulk' }));
    const urgent = jobOf(await api.post('/v1/jobs', { ...REQUEST, ...size, priority: 'interactive' }));
    expect(urgent.queue_position).toBe(1);
    expect(jobOf(await api.send(`/v1/jobs/${bulk.id}`)).queue_position).toBe(2);
  });

  test('refuses a model that nobody offers, and names those that are offered', async () => {
    const problem = problemOf(await api.post('/v1/jobs', { ...REQUEST, model: 'sd-9' }));
    expect(problem).toMatchObject({ status: 422, code: 'unknown_model' });
    expect(problem.detail).toContain('pocket-base');
  });
});

describe('Idempotency-Key', () => {
  test('gives 50 requests at once one job', async () => {
    const headers = { 'idempotency-key': 'at-once' };
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => api.post('/v1/jobs', REQUEST, headers)),
    );
    expect(new Set(answers.map((answer) => jobOf(answer).id)).size).toBe(1);
    const { jobs } = listOf(await api.send('/v1/jobs?limit=200'));
    expect(jobs.filter(({ id }) => id === jobOf(answers[0]!).id)).toHaveLength(1);
  });

  test('looks at the meaning of the request, not at the order of its fields', async () => {
    const headers = { 'idempotency-key': 'meaning' };
    const first = await api.post(
      '/v1/jobs',
      { kind: 'txt2img', prompt: 'x', output: { format: 'png', quality: 1 } },
      headers,
    );
    const second = await api.post(
      '/v1/jobs',
      { output: { quality: 1, format: 'png' }, prompt: 'x', kind: 'txt2img' },
      headers,
    );
    expect(jobOf(second).id).toBe(jobOf(first).id);
  });

  test('answers with the job as it is by then', async () => {
    const headers = { 'idempotency-key': 'later' };
    const { id } = jobOf(await api.post('/v1/jobs', REQUEST, headers));
    await worker.claim(id);
    const running = await api.post('/v1/jobs', REQUEST, headers);
    expect([running.status, jobOf(running).state]).toEqual([202, 'running']);
    await worker.succeed(id, Buffer.from('image'));
    const ended = await api.post('/v1/jobs', REQUEST, headers);
    expect([ended.status, jobOf(ended).id, jobOf(ended).state]).toEqual([200, id, 'succeeded']);
  });

  test('is a conflict with another request', async () => {
    const headers = { 'idempotency-key': 'conflict' };
    const { id } = jobOf(await api.post('/v1/jobs', REQUEST, headers));
    const problem = problemOf(await api.post('/v1/jobs', { ...REQUEST, steps: 21 }, headers));
    expect(problem).toMatchObject({ status: 409, code: 'idempotency_conflict' });
    expect(problem.detail).toContain(id);
  });

  test.each(['', ' ', 'käse', 'a b', 'x'.repeat(256)])(
    'must be visible ASCII of bounded length: %j',
    async (key) => {
      const problem = problemOf(await api.post('/v1/jobs', REQUEST, { 'idempotency-key': key }));
      expect(problem).toMatchObject({
        status: 400,
        code: 'invalid_request',
        errors: [{ field: 'Idempotency-Key' }],
      });
    },
  );
});

describe('Prefer: wait', () => {
  /** Resolves with the id of the next job that this API accepts. */
  function nextAccepted(): Promise<string> {
    return new Promise((resolve) => {
      const stop = api.parts.tail.on((event) => {
        if (event.type !== 'job.queued') return;
        stop();
        resolve(event.ref.id);
      });
    });
  }

  test('answers 200 with the finished job', async () => {
    const accepted = nextAccepted();
    const answer = api.post('/v1/jobs', REQUEST, { prefer: 'respond-async, wait=30' });
    const id = await accepted;
    await worker.succeed(id, Buffer.from('image'));
    const job = jobOf(await answer);
    expect([(await answer).status, job.id, job.state, job.images.length]).toEqual([200, id, 'succeeded', 1]);
    expect((await answer).headers.get('preference-applied')).toBe('wait=30');
  });

  test('answers 202 with the unfinished job when the time is over', async () => {
    const answer = await api.post('/v1/jobs', REQUEST, { prefer: 'wait=1' });
    expect([answer.status, jobOf(answer).state]).toEqual([202, 'queued']);
  });

  test('waits for the job that an Idempotency-Key made before', async () => {
    const headers = { 'idempotency-key': 'waits' };
    const { id } = jobOf(await api.post('/v1/jobs', REQUEST, headers));
    const answer = api.post('/v1/jobs', REQUEST, { ...headers, prefer: 'wait=30' });
    await worker.succeed(id, Buffer.from('image'));
    expect([(await answer).status, jobOf(await answer).id]).toEqual([200, id]);
  });

  test('tells how long it waited at most, and does not wait for what it cannot read', async () => {
    const seconds = async (prefer: string): Promise<string | null> => {
      const accepted = nextAccepted();
      const answer = api.post('/v1/jobs', REQUEST, { prefer });
      await worker.succeed(await accepted, Buffer.from('image'));
      return (await answer).headers.get('preference-applied');
    };
    expect(await seconds('wait=600')).toBe('wait=60');
    expect(await seconds('wait')).toBe('wait=60');
    expect(await seconds('wait=-1')).toBeNull();
    expect(await seconds('wait=soon')).toBeNull();
  });

  test('gives up with its caller', async () => {
    const accepted = nextAccepted();
    const caller = new AbortController();
    const answer = api.send('/v1/jobs', {
      method: 'POST',
      headers: { 'content-type': 'application/json', prefer: 'wait=60' },
      body: JSON.stringify(REQUEST),
      signal: caller.signal,
    });
    const id = await accepted;
    caller.abort();
    await expect(answer).rejects.toThrow(/abort/);
    // The job is nobody's mistake: it stays, and can be read and cancelled.
    expect(jobOf(await api.post(`/v1/jobs/${id}/cancel`)).state).toBe('cancelled');
  });
});
