/** The contract of stores, and what is S3's own, in the bucket that the environment names. */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { examineS3, type Finding } from '../../src/cli/doctor/examine-s3.ts';
import { loadConfig } from '../../src/config.ts';
import { S3Probe } from '../../src/storage/s3/probe.ts';
import { WORKER_PATIENCE } from '../../src/storage/s3/client.ts';
import { S3Store, type S3StoreOptions } from '../../src/storage/s3/s3-store.ts';
import { Secret } from '../../src/storage/secret.ts';
import type { S3Settings } from '../../src/storage/store-settings.ts';
import { bytes, describeStore, text } from '../storage/store-contract.ts';

/** S3 tells times by the second, so this long makes an object older for sure. */
const OLD_MS = 1_500;
const LINK = { seconds: 60, contentType: 'image/png', contentDisposition: 'inline; filename="a b.png"' };
/** Every run has a prefix of its own, gone at its end. */
const ROOT = `kiln-suite-${randomUUID()}`;

function settings(prefix: string): S3Settings {
  const { store } = loadConfig({ ...process.env, KILN_S3_PREFIX: prefix });
  if (store.kind !== 's3') throw new Error('the environment names no bucket');
  return store;
}

const open = (prefix: string, options: Partial<S3StoreOptions> = {}): S3Store =>
  new S3Store(settings(prefix), { patience: WORKER_PATIENCE, youngMs: 0, ...options });
const fresh = (options: Partial<S3StoreOptions> = {}): S3Store => open(`${ROOT}/${randomUUID()}`, options);

afterAll(async () => {
  const all = open('');
  const left = await all.list(`${ROOT}/`);
  await Promise.all(left.map((key) => all.delete(key)));
});

describeStore('a real bucket', () =>
  Promise.resolve({
    store: fresh(),
    async growOld() {
      await pause(2 * OLD_MS);
      return OLD_MS;
    },
    close: () => Promise.resolve(),
  }),
);

describe('a real bucket', () => {
  it('lists page by page to the end', async () => {
    const store = fresh({ pageSize: 3 });
    const keys = Array.from({ length: 10 }, (_, n) => `t/${n}`);
    await Promise.all(keys.map((key) => store.put(key, bytes(key), 'text/plain')));
    expect((await store.list('t/')).toSorted()).toEqual(keys);
  });

  it('takes many touches of one object at once', async () => {
    const store = fresh();
    await store.put('t/x', bytes('x'), 'image/png');
    expect(await Promise.all(Array.from({ length: 12 }, () => store.touch('t/x')))).not.toContain(false);
    expect(text(await store.get('t/x'))).toBe('x');
  });

  it('takes twenty megabytes in one put', async () => {
    const store = fresh();
    const large = Buffer.alloc(20_000_000, 'kiln');
    await store.put('t/large', large, 'application/octet-stream');
    expect(large.equals((await store.get('t/large')) ?? bytes(''))).toBe(true);
    expect((await store.getStart('t/large', 4))?.size).toBe(large.length);
  });

  it('gives links that work without credentials, and only as they were signed', async () => {
    const prefix = `${ROOT}/links`;
    const store = open(prefix);
    await store.put('t/ä b.png', bytes('pixels'), 'application/octet-stream');
    const link = (await store.signLink('t/ä b.png', LINK))!;
    const answer = await fetch(link);
    expect([answer.status, await answer.text()]).toEqual([200, 'pixels']);
    expect(answer.headers.get('content-type')).toBe('image/png');
    expect(answer.headers.get('content-disposition')).toBe('inline; filename="a b.png"');
    const expired = await new S3Probe(settings(prefix), WORKER_PATIENCE).expiredLink('t/ä b.png');
    for (const wrong of [expired, link.replace('Expires=60', 'Expires=999'), link.split('?')[0]!])
      expect((await fetch(wrong)).status).toBe(403);
  });

  it('refuses a key that it does not know, and the error shows none', async () => {
    const accessKeyId = 'KILNUNKNOWNKEY';
    const credentials = { accessKeyId, secretAccessKey: new Secret('some secret') };
    const store = new S3Store({ ...settings(ROOT), credentials }, { patience: WORKER_PATIENCE });
    const failure = await store.get('t/x').catch((error: unknown) => error);
    expect(String(failure)).toMatch(/object t\/x was not read: .*HTTP 403/);
    expect(String(failure)).not.toContain(accessKeyId);
  });

  it('passes every check of kiln doctor s3', async () => {
    const findings: Finding[] = [];
    for await (const finding of examineS3(settings(ROOT))) findings.push(finding);
    onTestFinished(() => console.log(findings.map(({ name, text: seen }) => `${name}: ${seen}`).join('\n')));
    expect(findings.filter(({ outcome }) => outcome !== 'ok')).toEqual([]);
  });
});
