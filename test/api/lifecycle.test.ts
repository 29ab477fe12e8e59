import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { JobRecord } from '../../src/domain/job.ts';
import { jobDocument } from '../../src/storage/job-document.ts';
import { imageKey, jobDocumentKey } from '../../src/storage/object-keys.ts';
import {
  PlayedWorker,
  REQUEST,
  jobOf,
  listOf,
  problemOf,
  refOf,
  startApi,
  type TestApi,
} from './test-api.ts';

const IMAGE = Buffer.from('the bytes of an image');

let api: TestApi;
let worker: PlayedWorker;
beforeAll(async () => {
  api = await startApi();
  worker = new PlayedWorker(api.parts);
});
afterAll(() => api.close());

const submit = async (change: object = {}): Promise<string> =>
  jobOf(await api.post('/v1/jobs', { ...REQUEST, ...change })).id;
const read = async (id: string) => jobOf(await api.send(`/v1/jobs/${id}`));

describe('GET /v1/jobs/:id', () => {
  test('follows a job from queued to succeeded', async () => {
    const id = await submit({ images: 2, seed: 5, output: { format: 'webp' } });
    const fence = await worker.claim(id);
    await api.parts.records.progress([
      { ref: refOf(id), fence, progress: { step: 7, steps: 40, etaSeconds: 1.5 } },
    ]);
    expect(await read(id)).toMatchObject({
      state: 'running',
      queue_position: null,
      progress: { step: 7, steps: 40, eta_seconds: 1.5 },
      timings: {
        started_at: expect.any(String),
        queue_ms: expect.any(Number),
        finished_at: null,
        render_ms: null,
      },
    });

    await worker.succeed(id, IMAGE);
    const job = await read(id);
    expect(job).toMatchObject({
      state: 'succeeded',
      attempts: 1,
      average_batch: 2.5,
      error: null,
      timings: { finished_at: expect.any(String), render_ms: expect.any(Number) },
      images: [
        { n: 0, seed: 5, width: 128, height: 64, bytes: IMAGE.length, content_type: 'image/webp' },
        { n: 1, seed: 6 },
      ],
    });
    const { created_at: created, finished_at: finished } = job.timings;
    expect(Date.parse(finished ?? '')).toBeGreaterThanOrEqual(Date.parse(created));
  });

  test('counts the runs that the job itself spoiled, and not those that a worker gave back', async () => {
    const id = await submit();
    await api.parts.records.handBack(refOf(id), await worker.claim(id), 'retry');
    expect((await read(id)).attempts).toBe(1);
    await api.parts.records.handBack(refOf(id), await worker.claim(id), 'drain');
    expect((await read(id)).attempts).toBe(1);
    await worker.claim(id);
    expect((await read(id)).attempts).toBe(2);
  });

  test('tells why a job failed', async () => {
    const id = await submit();
    const failure = { code: 'numeric_failure', message: 'the model gave NaN at step 3' };
    await api.parts.records.fail(refOf(id), await worker.claim(id), failure);
    expect(await read(id)).toMatchObject({ state: 'failed', error: failure, images: [] });
  });

  test.each([
    'job_00000000-0000-7000-8000-000000000000',
    'job_',
    '..%2f..%2fetc',
    'x',
    '%00',
    'a'.repeat(5_000),
  ])('does not find %s', async (id) => {
    expect(problemOf(await api.send(`/v1/jobs/${id}`))).toMatchObject({ status: 404, code: 'not_found' });
  });
});

describe('POST /v1/jobs/:id/cancel', () => {
  test('takes a waiting job out of its lane', async () => {
    const id = await submit({ width: 192 });
    const answer = await api.post(`/v1/jobs/${id}/cancel`);
    expect([answer.status, jobOf(answer).state]).toEqual([200, 'cancelled']);
    expect(await api.parts.lanes.depth('pocket-base.192x64')).toBe(0);
  });

  test('shuts the worker of a running job out', async () => {
    const id = await submit();
    const fence = await worker.claim(id);
    expect(jobOf(await api.post(`/v1/jobs/${id}/cancel`)).state).toBe('cancelled');
    const result = { images: [], averageBatch: 1, depthMap: null, latents: [] };
    expect(await api.parts.records.commit(refOf(id), fence, result)).toBe('stale');
  });

  test('changes nothing about a job that has ended, however often', async () => {
    const [done, cancelled] = [await submit(), await submit()];
    await worker.succeed(done, IMAGE);
    const before = await read(done);
    for (const id of [done, cancelled, cancelled]) {
      expect((await api.post(`/v1/jobs/${id}/cancel`)).status).toBe(200);
    }
    expect({ ...(await read(done)), images: [] }).toEqual({ ...before, images: [] });
    expect((await read(cancelled)).state).toBe('cancelled');
  });

  test('does not find a job that is not there', async () => {
    const answer = await api.post('/v1/jobs/job_00000000-0000-7000-8000-000000000000/cancel');
    expect(problemOf(answer).code).toBe('not_found');
  });
});

describe('GET /v1/jobs/:id/images/:n', () => {
  async function imageUrl(change: object = {}): Promise<URL> {
    const id = await submit(change);
    await worker.succeed(id, IMAGE);
    return new URL((await read(id)).images[0]!.url);
  }
  const fetchImage = (url: URL, headers: Record<string, string> = {}) =>
    api.send(`${url.pathname}${url.search}`, { headers });

  test('serves the image of a link with all that a cache and a browser need', async () => {
    const url = await imageUrl({ output: { format: 'jpeg' } });
    const answer = await fetchImage(url);
    expect([url.origin, answer.status, answer.text]).toEqual([api.url, 200, IMAGE.toString()]);
    const id = url.pathname.split('/')[3];
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': 'image/jpeg',
      'content-disposition': `inline; filename="${id}-0.jpg"`,
      etag: `"${createHash('sha256').update(IMAGE).digest('hex')}"`,
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'cache-control': expect.stringMatching(/^private, max-age=\d+, immutable$/),
      'content-length': String(IMAGE.length),
    });
  });

  test('answers 304 to the ETag it gave', async () => {
    const url = await imageUrl();
    const etag = (await fetchImage(url)).headers.get('etag') ?? '';
    expect(await fetchImage(url, { 'if-none-match': etag })).toMatchObject({ status: 304, text: '' });
  });

  test('refuses a link that was changed in any part', async () => {
    const url = await imageUrl({ images: 2 });
    const other = await imageUrl();
    const variants = [
      { pathname: url.pathname.replace(/0$/, '1') },
      { pathname: other.pathname },
      { search: url.search.replace(/expires=\d/, 'expires=9') },
      { search: url.search.replace(/signature=.../, 'signature=AAA') },
      { search: `${url.search}A` },
      { search: url.search.replace(/&signature=.*/, '') },
      { search: '' },
      { search: `${url.search}&expires=9999999999` },
    ];
    for (const variant of variants) {
      const answer = await fetchImage(Object.assign(new URL(url), variant));
      expect([answer.status, JSON.stringify(variant)]).toEqual([
        variant.search?.includes('expires=9999999999') === true ? 400 : 403,
        JSON.stringify(variant),
      ]);
    }
  });

  test('refuses a link that has expired', async () => {
    const hasty = await startApi({ config: { linkTtlMs: -1_000 } });
    const { id } = jobOf(await hasty.post('/v1/jobs', REQUEST));
    await new PlayedWorker(hasty.parts).succeed(id, IMAGE);
    const url = new URL(jobOf(await hasty.send(`/v1/jobs/${id}`)).images[0]!.url);
    expect(problemOf(await hasty.send(`${url.pathname}${url.search}`)).code).toBe('link_refused');
    await hasty.close();
  });

  test('does not find an image whose object is gone', async () => {
    const url = await imageUrl();
    const id = url.pathname.split('/')[3]!;
    await api.parts.store.delete(imageKey(refOf(id), { fence: 1, n: 0, format: 'png' }));
    expect(problemOf(await fetchImage(url)).code).toBe('not_found');
  });
});

describe('a job whose record has expired', () => {
  test('is answered from the document beside its images', async () => {
    const brief = await startApi({ config: { recordTtlMs: 1 } });
    const { id } = jobOf(await brief.post('/v1/jobs', { ...REQUEST, metadata: { sku: '9' } }));
    const images = await new PlayedWorker(brief.parts).succeed(id, IMAGE);
    await vi.waitFor(async () => expect(await brief.parts.records.read(refOf(id))).toBeUndefined());
    expect(problemOf(await brief.send(`/v1/jobs/${id}`)).code).toBe('not_found');

    // What the courier leaves behind: the record at its end, read from any job with the same parameters.
    const twin = await brief.parts.records.read(refOf(jobOf(await brief.post('/v1/jobs', REQUEST)).id));
    const record: JobRecord = {
      ...twin!,
      id,
      state: 'succeeded',
      result: { images, averageBatch: 1, depthMap: null, latents: [] },
    };
    await brief.parts.store.put(jobDocumentKey(refOf(id)), jobDocument(record), 'application/json');
    const job = jobOf(await brief.send(`/v1/jobs/${id}`));
    expect([job.id, job.state]).toEqual([id, 'succeeded']);
    const url = new URL(job.images[0]!.url);
    expect((await brief.send(`${url.pathname}${url.search}`)).text).toBe(IMAGE.toString());
    expect(jobOf(await brief.post(`/v1/jobs/${id}/cancel`)).state).toBe('succeeded');
    await brief.close();
  });
});

describe('GET /v1/jobs', () => {
  test('pages through all jobs once, newest first', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 5; n += 1) ids.push(await submit({ metadata: { n: String(n) } }));
    const seen: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const page = listOf(await api.send(`/v1/jobs?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`));
      seen.push(...page.jobs.map(({ id }) => id));
      ({ cursor } = page);
    }
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.filter((id) => ids.includes(id))).toEqual(ids.toReversed());
  });

  test('filters by state, kind and model', async () => {
    const id = await submit();
    await worker.succeed(id, IMAGE);
    const ofState = listOf(await api.send('/v1/jobs?state=succeeded&kind=txt2img&model=pocket-base')).jobs;
    expect(ofState.map((job) => job.id)).toContain(id);
    expect(new Set(ofState.map(({ state }) => state))).toEqual(new Set(['succeeded']));
    expect(listOf(await api.send('/v1/jobs?model=none')).jobs).toEqual([]);
  });

  test.each([
    ['limit=0', 'limit'],
    ['limit=201', 'limit'],
    ['limit=many', 'limit'],
    ['limit=1&limit=2', 'limit'],
    ['state=done', 'state'],
    ['kind=video', 'kind'],
    ['cursor=elsewhere', 'cursor'],
    ['colour=red', 'colour'],
  ])('refuses ?%s and names the parameter', async (query, field) => {
    const problem = problemOf(await api.send(`/v1/jobs?${query}`));
    expect(problem).toMatchObject({ status: 400, code: 'invalid_request' });
    expect(problem.errors.map((fault) => fault.field)).toContain(field);
  });
});
