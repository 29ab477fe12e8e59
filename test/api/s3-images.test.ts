/** Image links of a farm whose objects are in a bucket: the same for a caller, another way for the bytes. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { API_PATIENCE } from '../../src/storage/s3/client.ts';
import { S3Store } from '../../src/storage/s3/s3-store.ts';
import type { S3Settings } from '../../src/storage/store-settings.ts';
import { startS3, type TestS3 } from '../support/s3-server.ts';
import { jobOf, PlayedWorker, problemOf, REQUEST, startApi, type TestApi } from './test-api.ts';

const IMAGE = Buffer.from('not really an image');

let s3: TestS3;
let api: TestApi;
beforeAll(async () => {
  s3 = await startS3();
  api = await startApi({ store: open() });
});
afterAll(async () => {
  await api.close();
  await s3.stop();
});

const open = (changes: Partial<S3Settings> = {}): S3Store =>
  new S3Store(s3.settings(changes), { patience: API_PATIENCE });

/** The link of the one image of a job that has succeeded. */
async function imageLink(of = api): Promise<URL> {
  const { id } = jobOf(await of.post('/v1/jobs', REQUEST));
  await new PlayedWorker(of.parts).succeed(id, IMAGE);
  return new URL(jobOf(await of.send(`/v1/jobs/${id}`)).images[0]!.url);
}

describe('an image link into a bucket', () => {
  test('gives the image to whoever follows redirects, as a file with a name', async () => {
    const url = await imageLink();
    const answer = await fetch(url);
    expect([answer.status, await answer.text()]).toEqual([200, IMAGE.toString()]);
    expect(answer.url.startsWith(s3.url)).toBe(true);
    const id = url.pathname.split('/')[3];
    expect(answer.headers.get('content-type')).toBe('image/png');
    expect(answer.headers.get('content-disposition')).toBe(`inline; filename="${id}-0.png"`);
  });

  test('leads there for some minutes at most, and no cache keeps the way', async () => {
    const url = await imageLink();
    const answer = await fetch(url, { redirect: 'manual' });
    expect(answer.status).toBe(302);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.headers.get('etag')).toBeNull();
    const location = new URL(answer.headers.get('location') ?? '');
    expect(location.searchParams.get('X-Amz-Expires')).toBe('300');
  });

  test('never leads there for longer than it lasts itself', async () => {
    const brief = await startApi({ store: open(), config: { linkTtlMs: 20_000 } });
    const answer = await fetch(await imageLink(brief), { redirect: 'manual' });
    await brief.close();
    const location = new URL(answer.headers.get('location') ?? '');
    // Both ends are whole seconds.
    expect(Number(location.searchParams.get('X-Amz-Expires'))).toBeLessThanOrEqual(21);
  });

  test('answers HEAD and the ETag it gave by itself', async () => {
    const url = await imageLink();
    const head = await fetch(url, { method: 'HEAD' });
    expect([head.status, head.url]).toEqual([200, url.href]);
    expect(head.headers.get('content-length')).toBe(String(IMAGE.length));
    const etag = head.headers.get('etag') ?? '';
    expect((await fetch(url, { headers: { 'if-none-match': etag } })).status).toBe(304);
  });

  test('does not lead to an object that is gone', async () => {
    const url = await imageLink();
    s3.objects.clear();
    expect(problemOf(await api.send(`${url.pathname}${url.search}`)).code).toBe('not_found');
  });

  test('is refused as ever when it was changed', async () => {
    const url = await imageLink();
    expect(problemOf(await api.send(`${url.pathname}${url.search}A`)).code).toBe('link_refused');
    expect(problemOf(await api.send(url.pathname)).code).toBe('link_refused');
  });

  test('sends the bytes itself when addresses of the bucket are switched off', async () => {
    const sending = await startApi({ store: open({ presign: false }) });
    const answer = await fetch(await imageLink(sending), { redirect: 'error' });
    await sending.close();
    expect([answer.status, await answer.text()]).toEqual([200, IMAGE.toString()]);
    expect(answer.headers.get('etag')).not.toBeNull();
  });
});

test('while the bucket does not answer, what needs it is refused for now, and the API is not ready', async () => {
  const url = await imageLink();
  const { port } = s3;
  await s3.stop();
  s3 = await startS3();
  for (const path of [`${url.pathname}${url.search}`, '/readyz']) {
    const answer = await api.send(path);
    expect(problemOf(answer)).toMatchObject({ status: 503, code: 'unavailable' });
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(answer.text).not.toMatch(new RegExp(`ECONN|127\\.0\\.0\\.1|${port}|KILNTESTKEY`));
  }
  expect((await api.post('/v1/jobs', REQUEST)).status).toBe(202);
});
