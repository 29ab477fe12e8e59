/** `kiln up` as a newcomer meets it: the built command, its own Redis, real rendering, signals. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import sharp from 'sharp';
import { Value } from 'typebox/value';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { KilnClient } from '../../src/cli/client.ts';
import { isPortFree } from '../../src/cli/farm/tcp.ts';
import { JobView } from '../../src/contract/job.ts';
import { packageRoot } from '../../src/paths.ts';

const SMALL = { kind: 'txt2img', prompt: 'a red sphere', width: 64, height: 64, steps: 2 } as const;

let dataDir: string;
let farm: ChildProcess;
let output: Interface;
const told: string[] = [];

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'kiln-up-'));
  startFarm();
});

function startFarm(): void {
  farm = spawn(process.execPath, [join(packageRoot(), 'dist', 'src', 'cli', 'main.js'), 'up'], {
    env: { PATH: process.env['PATH'], KILN_DATA_DIR: dataDir, KILN_PORT: '0', KILN_THREADS: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  output = createInterface({ input: farm.stdout! });
  for (const lines of [output, createInterface({ input: farm.stderr! })]) {
    lines.on('line', (line) => {
      told.push(line);
      output.emit('told');
    });
    lines.on('close', () => output.emit('told'));
  }
}

afterEach(async () => {
  if (farm.exitCode === null && farm.signalCode === null) {
    farm.kill('SIGTERM');
    await once(farm, 'exit');
  }
  told.length = 0;
  await rm(dataDir, { recursive: true, force: true });
});

test('it renders, survives the death of its worker, and leaves nothing running when it is stopped', async () => {
  const url = /http:\S+/.exec(await toldOf(/Kiln is ready/))?.[0] ?? '';
  expect((await sharp(await render(url)).metadata()).width).toBe(64);

  const worker = await toldOf(/"name":"kiln-render"/);
  const pid = /"pid":(\d+)/.exec(worker)?.[1];
  process.kill(Number(pid), 'SIGKILL');
  await toldOf(/render ended \(SIGKILL\); starting it again/);
  await render(url);

  farm.kill('SIGTERM');
  expect(await once(farm, 'exit')).toEqual([0, null]);
  const tenancy = await readFile(join(dataDir, 'redis', 'farm.json'), 'utf8');
  expect(await isPortFree(Number(/"port":(\d+)/.exec(tenancy)?.[1]))).toBe(true);
  expect(await isPortFree(Number(new URL(url).port))).toBe(true);
}, 90_000);

test('a second farm on the same data is refused with the way out, and the first one lives on', async () => {
  await toldOf(/Kiln is ready/);
  const second = spawn(process.execPath, [join(packageRoot(), 'dist', 'src', 'cli', 'main.js'), 'up'], {
    env: { PATH: process.env['PATH'], KILN_DATA_DIR: dataDir, KILN_PORT: '0' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let complaint = '';
  second.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint += text;
  });
  expect(await once(second, 'close')).toEqual([1, null]);
  expect(complaint).toContain(`another farm (process ${farm.pid}) uses`);
  expect(complaint).toContain('KILN_DATA_DIR');
  expect(farm.exitCode).toBeNull();
}, 60_000);

test('the processes of a farm that was killed end by themselves, and the next farm goes on with its data', async () => {
  const url = /http:\S+/.exec(await toldOf(/Kiln is ready/))?.[0] ?? '';
  farm.kill('SIGKILL');
  await expect.poll(() => isPortFree(Number(new URL(url).port)), { timeout: 20_000 }).toBe(true);
  told.length = 0;
  startFarm();
  await toldOf(/Kiln is ready/);
}, 60_000);

/** The first line, said already or still to come, that fits. */
async function toldOf(pattern: RegExp): Promise<string> {
  for (;;) {
    const line = told.find((text) => pattern.test(text));
    if (line !== undefined) return line;
    if (farm.exitCode !== null) throw new Error(`the farm ended without ${pattern}:\n${told.join('\n')}`);
    await once(output, 'told');
  }
}

/** Submits a small job and waits for its image, as the readme does. */
async function render(url: string): Promise<Buffer> {
  const answer = await fetch(`${url}/v1/jobs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', prefer: 'wait=60' },
    body: JSON.stringify(SMALL),
  });
  const job = Value.Parse(JobView, await answer.json());
  expect(job).toMatchObject({ state: 'succeeded', error: null });
  return new KilnClient(url).download(job.images[0]?.url ?? '');
}
