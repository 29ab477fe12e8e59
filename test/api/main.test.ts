import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { FarmRegistry } from '../../src/queue/farm-registry.ts';
import { Keys } from '../../src/queue/keys.ts';
import { packageRoot } from '../../src/paths.ts';
import { FarmProcess } from '../support/processes.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { MODEL, REQUEST } from './test-api.ts';

const BACK = { timeout: 10_000, interval: 50 };

let redis: TestRedis;
let folder: string;
let api: FarmProcess;
beforeEach(async () => {
  redis = await startRedis();
  folder = await mkdtemp(join(tmpdir(), 'kiln-api-main-'));
  api = new FarmProcess({
    name: 'api',
    entry: join(packageRoot(), 'dist/api/main.js'),
    env: { REDIS_URL: redis.url, KILN_PORT: '0', KILN_DATA_DIR: folder, KILN_LOG_LEVEL: 'debug' },
    logFile: join(folder, 'api.log'),
  });
});
afterEach(async () => {
  await api.stop();
  await redis.stop();
  await rm(folder, { recursive: true });
});

const submit = (url: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${url}/v1/jobs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(REQUEST),
  });
const offerModel = (): Promise<void> =>
  new FarmRegistry(redis.client(), new Keys('{kiln}')).offerModels([MODEL]);

describe('the API process', () => {
  test('starts without Redis, refuses, and serves as soon as Redis is there', async () => {
    await redis.kill('SIGKILL');
    const url = (await api.start())!;
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    expect((await submit(url)).status).toBe(503);
    await redis.restart();
    await offerModel();
    await vi.waitFor(async () => expect((await submit(url)).status).toBe(202), BACK);
  });

  test('ends on SIGTERM after answering those who wait', async () => {
    await offerModel();
    const url = (await api.start())!;
    const waiting = submit(url, { prefer: 'wait=60' });
    const queued = redis.client();
    await vi.waitFor(async () => expect(await queued.zcard('{kiln}:t:default:jobs')).toBe(1), BACK);
    api.signal('SIGTERM');
    expect((await waiting).status).toBe(202);
    expect(await api.exited()).toEqual({ code: 0, signal: null });
  });

  test('does not start on a Redis that evicts keys', async () => {
    const admin = redis.client();
    await admin.config('SET', 'maxmemory', '100mb');
    await admin.config('SET', 'maxmemory-policy', 'allkeys-lru');
    await expect(api.start()).rejects.toThrow(/noeviction/);
  });

  test('keeps prompts out of its log, also when Redis refuses the command that carries them', async () => {
    await offerModel();
    const url = (await api.start())!;
    await redis.client().config('SET', 'maxmemory', '1');
    expect((await submit(url)).status).toBe(503);
    const log = await readFile(api.logFile, 'utf8');
    expect(log).toContain('OOM');
    expect(log).not.toContain(REQUEST.prompt);
  });
});
