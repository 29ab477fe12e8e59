/** `kiln doctor` as built, on a machine where all is well and on one where nothing is. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { packageRoot } from '../../src/paths.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

let folder: string;
let redis: TestRedis;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kiln-doctor-'));
  redis = await startRedis();
});
afterAll(async () => {
  await redis.stop();
  await rm(folder, { recursive: true });
});

interface Report {
  readonly code: number | string | null | undefined;
  /** By check: its outcome and what was said. */
  readonly found: Readonly<Record<string, string>>;
}

function examined(env: Record<string, string>): Promise<Report> {
  const main = join(packageRoot(), 'dist', 'src', 'cli', 'main.js');
  const own = { PATH: process.env['PATH'] ?? '', KILN_THREADS: '1', ...env };
  return new Promise((resolve) => {
    execFile(process.execPath, [main, 'doctor'], { env: own }, (error, stdout) => {
      const found: Record<string, string> = {};
      for (const line of stdout.split('\n')) {
        const [, outcome, name, text] = /^(\w+) +(\w+) +(.*)$/.exec(line) ?? [];
        if (name !== undefined) found[name] = `${outcome}: ${text}`;
      }
      resolve({ code: error?.code ?? 0, found });
    });
  });
}

test('it tries everything, and says what it saw', async () => {
  const { code, found } = await examined({ KILN_DATA_DIR: folder, REDIS_URL: redis.url, KILN_PORT: '0' });
  expect(found).toMatchObject({
    node: expect.stringMatching(/^ok: \d+/),
    redis: expect.stringMatching(/^ok: version .* with append-only file$/),
    store: `ok: folder ${folder}/objects takes and gives objects`,
    models: 'ok: pocket-base',
    device: expect.stringMatching(/^ok: cpu computes; .* 1 threads/),
  });
  expect(code).toBe(0);
}, 30_000);

test('it says what is wrong, all at once, and exits with 1', async () => {
  const notKiln = createServer((_request, response) => response.writeHead(404).end()).listen(0, '127.0.0.1');
  await once(notKiln, 'listening');
  const address = notKiln.address();
  const port = typeof address === 'object' ? String(address?.port) : '';
  const occupied = join(folder, 'a-file');
  await writeFile(occupied, '');
  const { code, found } = await examined({
    KILN_DATA_DIR: occupied,
    REDIS_URL: 'redis://127.0.0.1:1',
    KILN_DEFAULT_MODEL: 'missing',
    KILN_PORT: port,
    KILN_URL: 'http://127.0.0.1:1',
  });
  notKiln.close();
  expect(found).toMatchObject({
    redis: expect.stringContaining('FAIL: connect ECONNREFUSED'),
    store: expect.stringContaining('FAIL: '),
    models: 'FAIL: missing, the default, is not among pocket-base',
    port: `FAIL: ${port} is taken by something else; set KILN_PORT`,
    farm: 'FAIL: no farm answers at KILN_URL http://127.0.0.1:1',
  });
  expect(code).toBe(1);
}, 30_000);
