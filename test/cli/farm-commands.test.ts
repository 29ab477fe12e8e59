/** The commands that speak with a farm, as built, against a real API; the test plays the worker. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { Value } from 'typebox/value';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { BulkList } from '../../src/contract/bulk.ts';
import { packageRoot } from '../../src/paths.ts';
import { jobOf, PlayedWorker, REQUEST, startApi, type TestApi } from '../api/test-api.ts';

const KEY = 'a-key-of-twenty-four-chars';

interface Ended {
  readonly code: number | string | null | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

let api: TestApi;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kiln-cli-'));
  api = await startApi({ config: { apiKeys: [KEY] } });
  await api.parts.registry.offerModels([
    {
      name: 'pocket-base',
      kinds: ['txt2img', 'img2img', 'inpaint'],
      digest: 'sha256:0',
      bytes: 1,
      memoryBytes: 2,
      defaultWidth: 128,
      defaultHeight: 64,
    },
  ]);
});
afterAll(async () => {
  await api.close();
  await rm(folder, { recursive: true, force: true });
});

function kiln(args: string[], env: Record<string, string> = {}): Promise<Ended> {
  const main = join(packageRoot(), 'dist', 'src', 'cli', 'main.js');
  const own = { PATH: process.env['PATH'] ?? '', KILN_URL: api.url, KILN_API_KEY: KEY, ...env };
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], { env: own, cwd: folder }, (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, stdout, stderr }),
    );
  });
}

/** What `kiln submit` printed: the id of a job. */
async function submitted(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await kiln(['submit', 'a red cube', ...args]);
  expect(code, stderr).toBe(0);
  return stdout.trim();
}

describe('kiln submit', () => {
  test('prints the id of the job, and gives every option to the API', async () => {
    const id = await submitted('--steps', '7', '--guidance-scale', '3.5', '--seed', '5', '--images', '2');
    const record = await api.parts.records.read({ tenant: 'default', id });
    expect(record?.params).toMatchObject({ kind: 'txt2img', steps: 7, guidanceScale: 3.5, seeds: [5, 6] });
  });

  test('sends images that are files ahead, and takes the kind from them', async () => {
    for (const [name, background] of [
      ['base.png', '#336699'],
      ['mask.png', '#ffffff'],
    ] as const) {
      const picture = sharp({ create: { width: 128, height: 64, channels: 3, background } });
      await writeFile(join(folder, name), await picture.png().toBuffer());
    }
    const id = await submitted('--image', 'base.png', '--mask', 'mask.png', '--strength', '0.5');
    const record = await api.parts.records.read({ tenant: 'default', id });
    expect(record?.params).toMatchObject({ kind: 'inpaint', strength: 0.5 });
    expect(record?.params).toHaveProperty('image', expect.stringMatching(/^up_[0-9a-f]{64}$/));
  });

  test('with --wait it stays until the images are here, and prints their files', async () => {
    const worker = new PlayedWorker(api.parts);
    const running = kiln(['submit', 'a red cube', '--wait', '--out', 'out']);
    const event = await new Promise<string>((resolve) => {
      const stop = api.parts.tail.on(({ type, ref }) => {
        if (type !== 'job.queued') return;
        stop();
        resolve(ref.id);
      });
    });
    await worker.succeed(event, Buffer.from('the image'));
    const { code, stdout, stderr } = await running;
    expect(code, stderr).toBe(0);
    expect(stdout).toBe(`out/${event}-0.png\n`);
    expect(stderr).toContain(`${event} succeeded`);
    expect(await readFile(join(folder, 'out', `${event}-0.png`), 'utf8')).toBe('the image');
  });

  test('says what is wrong: with the job, with a file, with the key, with the farm', async () => {
    const told = await Promise.all([
      kiln(['submit', 'x', '--steps', '0']),
      kiln(['submit', 'x', '--image', 'missing.png']),
      kiln(['submit', 'x'], { KILN_API_KEY: 'wrong' }),
      kiln(['submit', 'x'], { KILN_URL: 'http://127.0.0.1:1' }),
    ]);
    expect(told.map(({ code }) => code)).toEqual([1, 1, 1, 1]);
    expect(told.map(({ stderr }) => stderr)).toEqual([
      expect.stringContaining('steps'),
      expect.stringContaining('missing.png'),
      expect.stringContaining('This API key is not known here (unauthorized)'),
      expect.stringContaining('no farm answers at http://127.0.0.1:1'),
    ]);
  }, 30_000);
});

test('kiln jobs lists the newest, kiln cancel ends one', async () => {
  const { id } = jobOf(await api.post('/v1/jobs', REQUEST, { authorization: `Bearer ${KEY}` }));
  expect((await kiln(['cancel', id])).stdout).toBe(`${id} cancelled\n`);
  const { stdout } = await kiln(['jobs', '--state', 'cancelled', '--limit', '1']);
  expect(stdout.split('\n')[1]).toMatch(new RegExp(`^${id}  cancelled  txt2img`));
});

test('kiln keys makes a key that works, lists it without its secret, and takes it back', async () => {
  const env = { REDIS_URL: api.redis.url };
  const made = await kiln(['keys', 'create', 'the night shift', '--days', '30'], env);
  const key = made.stdout.trim();
  expect((await kiln(['workers'], { KILN_API_KEY: key })).stdout).toBe('There are no workers\n');
  const listed = (await kiln(['keys', 'list'], env)).stdout;
  expect(listed).toContain('the night shift');
  expect(listed).not.toContain(key.slice(20, 60));
  const [, id = ''] = key.split('_');
  expect((await kiln(['keys', 'revoke', id], env)).stdout).toBe(`Key ${id} is revoked\n`);
}, 30_000);

test('kiln bulk sends a table, says which rows cannot be run, follows the rest and writes the zip', async () => {
  await writeFile(join(folder, 'rows.csv'), 'prompt,seed\na cube,1\na ball,x\n');
  const args = ['bulk', 'rows.csv', '--set', 'steps=3', '--on-error', 'skip', '--watch'];
  const running = kiln(args);
  const headers = { authorization: `Bearer ${KEY}` };
  const bulk = await vi.waitFor(
    async () => {
      const { text } = await api.send('/v1/bulks', { headers });
      const [first] = Value.Parse(BulkList, JSON.parse(text)).bulks;
      expect(first).toMatchObject({ name: 'rows.csv', rows: 1, rejected: 1 });
      return first;
    },
    { timeout: 20_000 },
  );
  expect((await kiln(['cancel', bulk?.id ?? ''])).stdout).toBe(`${bulk?.id} cancelled\n`);
  const { code, stdout, stderr } = await running;
  expect(stderr).toContain('1 of 2 rows accepted');
  expect(stderr).toContain('line 3, seed: must be of type integer');
  expect(stderr).toContain('cancelled: 0 rows succeeded, 0 failed, 1 were cancelled');
  expect({ code, stdout }).toEqual({ code: 1, stdout: 'rows-results.zip\n' });
  const zip = await readFile(join(folder, 'rows-results.zip'));
  expect(zip.subarray(0, 4).toString('latin1')).toBe('PK\x03\x04');
}, 40_000);
