/** A whole farm on a real bucket: what a caller sends goes there, what it gets comes from there. */
import { createHash, randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { loadConfig } from '../../src/config.ts';
import type { JobView } from '../../src/contract/job.ts';
import type { Upload } from '../../src/contract/upload.ts';
import { DEFAULT_TENANT } from '../../src/domain/job.ts';
import { inputFolder, jobDocumentKey, jobFolder } from '../../src/storage/object-keys.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { openStore } from '../../src/storage/open-store.ts';
import { startFarm, type Farm } from '../support/farm.ts';
import { s3Refusal, startFaultProxy, type FaultProxy } from '../support/fault-proxy.ts';
import { colourPng } from '../support/pictures.ts';

const BACK = { timeout: 20_000, interval: 100 };
const PREFIX = `kiln-farm-${randomUUID()}`;

/** Faults are planted in connections, so only where they are not encrypted. */
const localPort = /^http:\/\/127\.0\.0\.1:(\d+)/.exec(process.env['KILN_S3_ENDPOINT'] ?? '')?.[1];

let proxy: FaultProxy | undefined;
let farm: Farm;
let store: ObjectStore;
beforeAll(async () => {
  const given = Object.entries(process.env).filter(([name]) => /^(?:KILN_S3|AWS)_/.test(name));
  const bucket = {
    ...Object.fromEntries(given.map(([name, value]) => [name, value ?? ''])),
    KILN_S3_PREFIX: PREFIX,
  };
  store = await openStore(loadConfig(bucket).store, 'worker');
  if (localPort !== undefined) proxy = await startFaultProxy(Number(localPort));
  const endpoint = proxy === undefined ? {} : { KILN_S3_ENDPOINT: proxy.url };
  farm = await startFarm({ env: { ...bucket, ...endpoint, KILN_THREADS: '1' } });
  await vi.waitUntil(async () => (await fetch(`${farm.url}/readyz`)).ok, BACK);
});
afterAll(async () => {
  await farm.stop();
  await proxy?.stop();
  const left = await store.list(`${DEFAULT_TENANT}/`);
  await Promise.all(left.map((key) => store.delete(key)));
});

async function render(request: object): Promise<JobView> {
  const answer = await fetch(`${farm.url}/v1/jobs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', prefer: 'wait=60' },
    body: JSON.stringify({ prompt: 'a red sphere', width: 64, height: 64, steps: 2, ...request }),
  });
  const job: JobView = JSON.parse(await answer.text());
  expect([job.state, job.error]).toEqual(['succeeded', null]);
  return job;
}

async function expectImage({ images: [image] }: JobView): Promise<void> {
  const answer = await fetch(image!.url);
  expect(answer.status).toBe(200);
  expect(new URL(answer.url).origin).not.toBe(farm.url);
  const bytes = Buffer.from(await answer.arrayBuffer());
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(image!.sha256);
}

describe('a farm on a bucket', () => {
  test('renders, gives the image by its link from the bucket, and archives the job there', async () => {
    const job = await render({ kind: 'txt2img' });
    await expectImage(job);
    const ref = { tenant: DEFAULT_TENANT, id: job.id };
    await vi.waitFor(async () => expect(await store.get(jobDocumentKey(ref))).toBeDefined(), BACK);
    expect(await store.list(jobFolder(ref))).toHaveLength(2);
    expect(await readdir(farm.folder)).not.toContain('objects');
  });

  test('keeps what callers send, once, and renders from it', async () => {
    const png = await colourPng(64, 64);
    const form = (): RequestInit => ({
      method: 'POST',
      headers: { 'content-type': 'image/png' },
      body: new Uint8Array(png),
    });
    const ids = await Promise.all(
      [1, 2].map(async () => {
        const answer = await fetch(`${farm.url}/v1/uploads`, form());
        const upload: Upload = JSON.parse(await answer.text());
        return upload.id;
      }),
    );
    expect(ids[0]).toBe(ids[1]);
    expect((await fetch(`${farm.url}/v1/uploads/${ids[0]}`)).status).toBe(200);
    await expectImage(await render({ kind: 'img2img', image: ids[0], strength: 0.5 }));
    expect(await store.list(inputFolder(DEFAULT_TENANT))).toHaveLength(1);
  });

  test.runIf(localPort !== undefined)('renders through refusals, resets and cut bodies', async () => {
    proxy?.faults.push(
      s3Refusal(503, 'SlowDown', ['Retry-After: 0']),
      { kind: 'reset', afterBytes: 0 },
      s3Refusal(500, 'InternalError'),
      { kind: 'end', afterBytes: 10 },
    );
    const jobs = await Promise.all([1, 2, 3].map((seed) => render({ kind: 'txt2img', seed, images: 2 })));
    expect(proxy?.faults).toEqual([]);
    for (const job of jobs) await expectImage(job);
  });
});
