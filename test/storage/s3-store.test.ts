/** The S3 store against a server that checks its signatures; `npm run test:s3` holds it against a real one. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WORKER_PATIENCE } from '../../src/storage/s3/client.ts';
import { S3Store, type S3StoreOptions } from '../../src/storage/s3/s3-store.ts';
import type { S3Settings } from '../../src/storage/store-settings.ts';
import { startS3, type TestS3 } from '../support/s3-server.ts';
import { bytes, describeStore, text } from './store-contract.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

let s3: TestS3;
beforeAll(async () => {
  s3 = await startS3();
});
afterAll(() => s3.stop());
beforeEach(() => {
  s3.objects.clear();
  s3.skewMs = 0;
});

const open = (settings: Partial<S3Settings> = {}, options: Partial<S3StoreOptions> = {}): S3Store =>
  new S3Store(s3.settings(settings), { patience: WORKER_PATIENCE, ...options });

describeStore('a bucket', () =>
  Promise.resolve({
    store: open(),
    growOld(keys) {
      for (const key of keys) s3.objects.get(`farm/${key}`)!.time -= 2 * HOUR;
      return Promise.resolve(HOUR);
    },
    close: () => Promise.resolve(),
  }),
);

describe('a bucket', () => {
  it('keeps objects below the prefix, with their type and their own digest', async () => {
    await open({ prefix: 'a/b/' }).put('t/x', bytes('x'), 'image/png');
    expect([...s3.objects.keys()]).toEqual(['a/b/t/x']);
    expect(s3.objects.get('a/b/t/x')).toMatchObject({
      contentType: 'image/png',
      metadata: { sha256: '2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881' },
    });
    expect(await open({ prefix: '' }).list('a/')).toEqual(['a/b/t/x']);
  });

  it('leaves room for the prefix in a key', async () => {
    const prefix = `${'p'.repeat(99)}/`;
    await expect(open({ prefix }).get('k'.repeat(925))).rejects.toThrow(/longer than 924 bytes/);
    expect(await open({ prefix }).get('k'.repeat(924))).toBeUndefined();
  });

  it('lists page by page to the end, and leaves out what only looks like a folder', async () => {
    const keys = Array.from({ length: 7 }, (_, n) => `t/${n}`);
    const store = open({}, { pageSize: 3 });
    await Promise.all(keys.map((key) => store.put(key, bytes(key), 'text/plain')));
    s3.objects.set('farm/t/', { bytes: Buffer.alloc(0), contentType: '', metadata: {}, time: 0 });
    s3.requests.length = 0;
    expect((await store.list('t/')).toSorted()).toEqual(keys);
    expect(s3.requests).toHaveLength(3);
  });

  it('reads objects that something else put there, without a digest', async () => {
    s3.objects.set('farm/t/x', { bytes: Buffer.from('x'), contentType: '', metadata: {}, time: 0 });
    expect(text(await open().get('t/x'))).toBe('x');
  });

  it('tells a missing bucket from a missing object', async () => {
    await expect(open({ bucket: 'other' }).get('t/x')).rejects.toThrow(
      /object t\/x was not read: NoSuchBucket/,
    );
  });

  it('is read with a clock that is wrong by hours', async () => {
    s3.skewMs = 5 * HOUR;
    const store = open();
    await store.put('t/x', bytes('x'), 'text/plain');
    expect(text(await store.get('t/x'))).toBe('x');
  });
});

describe('a touch in a bucket', () => {
  it('keeps type and digest of the object, and copies only one that is no longer young', async () => {
    const store = open();
    await store.put('t/x', bytes('x'), 'image/png');
    const before = { ...s3.objects.get('farm/t/x')! };
    s3.requests.length = 0;
    expect(await store.touch('t/x')).toBe(true);
    expect(s3.requests).toEqual(['HEAD /kiln-test/farm/t/x']);
    s3.objects.get('farm/t/x')!.time -= 2 * MINUTE;
    expect(await store.touch('t/x')).toBe(true);
    expect(s3.requests.at(-1)).toBe('PUT+copy /kiln-test/farm/t/x');
    const { time, ...after } = s3.objects.get('farm/t/x')!;
    expect(before).toMatchObject(after);
    expect(time).toBeGreaterThanOrEqual(before.time);
  });

  it('that copied nothing, for the object was young, still keeps it as long as promised', async () => {
    const store = open();
    await store.put('t/x', bytes('x'), 'text/plain');
    s3.objects.get('farm/t/x')!.time -= 50_000;
    await store.touch('t/x');
    s3.objects.get('farm/t/x')!.time -= HOUR - 1_000;
    expect(await store.deleteUnused('t/', HOUR)).toBe(0);
    s3.objects.get('farm/t/x')!.time -= MINUTE;
    expect(await store.deleteUnused('t/', HOUR)).toBe(1);
  });

  it('does without a condition where the provider knows none', async () => {
    const store = open({ hasConditionalCopy: false });
    await store.put('t/x', bytes('x'), 'text/plain');
    s3.objects.get('farm/t/x')!.time = 0;
    expect(await store.touch('t/x')).toBe(true);
    expect(s3.objects.get('farm/t/x')!.time).toBeGreaterThan(0);
  });
});

describe('a sweep of a bucket', () => {
  it('takes many pages, and looks at each object again before it deletes it', async () => {
    const store = open({}, { pageSize: 10 });
    const keys = Array.from({ length: 25 }, (_, n) => `t/inputs/${n}`);
    await Promise.all(keys.map((key) => store.put(key, bytes(key), 'text/plain')));
    for (const object of s3.objects.values()) object.time -= 2 * HOUR;
    s3.requests.length = 0;
    expect(await store.deleteUnused('t/inputs/', HOUR)).toBe(25);
    expect(s3.objects.size).toBe(0);
    const order = s3.requests.filter((line) => line.endsWith('/7')).map((line) => line.split(' ')[0]);
    expect(order).toEqual(['HEAD', 'DELETE']);
  });
});

describe('a link to an object in a bucket', () => {
  const LINK = { seconds: 60, contentType: 'image/png', contentDisposition: 'inline; filename="a b.png"' };
  const linkTo = async (store: S3Store, key: string): Promise<string> => (await store.signLink(key, LINK))!;

  it('reads it without credentials, as what the link says', async () => {
    const store = open();
    await store.put('t/ä b.png', bytes('pixels'), 'application/octet-stream');
    const answer = await fetch(await linkTo(store, 't/ä b.png'));
    expect([answer.status, await answer.text()]).toEqual([200, 'pixels']);
    expect(answer.headers.get('content-type')).toBe('image/png');
    expect(answer.headers.get('content-disposition')).toBe('inline; filename="a b.png"');
  });

  it('is refused when it has expired, or was changed, or leads elsewhere', async () => {
    const store = open();
    await store.put('t/x', bytes('x'), 'image/png');
    await store.put('t/y', bytes('y'), 'image/png');
    const link = await linkTo(store, 't/x');
    const statusOf = async (url: string): Promise<number> => (await fetch(url)).status;
    expect(await statusOf(link.replace('/t/x', '/t/y'))).toBe(403);
    expect(await statusOf(link.replace('X-Amz-Expires=60', 'X-Amz-Expires=6000'))).toBe(403);
    expect(await statusOf(link.replace('image%2Fpng', 'text%2Fhtml'))).toBe(403);
    expect(await statusOf(link.split('?')[0]!)).toBe(403);
    s3.skewMs = 61_000;
    expect(await statusOf(link)).toBe(403);
  });

  it('names the address that callers use, and holds no secret', async () => {
    const store = open({ publicEndpoint: 'https://images.example.org' });
    await store.put('t/x', bytes('x'), 'image/png');
    const link = await linkTo(store, 't/x');
    expect(link).toMatch(/^https:\/\/images\.example\.org\/kiln-test\/farm\/t\/x\?/);
    expect(decodeURIComponent(link)).not.toContain('kiln/test+secret');
  });

  it('is not made for an object that is not there, or when the settings say so', async () => {
    expect(await open().signLink('t/none', LINK)).toBeUndefined();
    const store = open({ presign: false });
    await store.put('t/x', bytes('x'), 'image/png');
    expect(await store.signLink('t/x', LINK)).toBeUndefined();
  });
});
