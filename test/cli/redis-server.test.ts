import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { KeptChild } from '../../src/cli/farm/kept-child.ts';
import { endTenancy, planRedis } from '../../src/cli/farm/redis-server.ts';
import { askPort, isPortFree } from '../../src/cli/farm/tcp.ts';

let dataDir: string;
let redis: KeptChild | undefined;
let port: number;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'kiln-redis-'));
  const plan = await planRedis(dataDir);
  port = plan.port;
  redis = new KeptChild(plan, () => undefined);
  await redis.start();
});

afterEach(async () => {
  await redis?.stop();
  await rm(dataDir, { recursive: true, force: true });
});

test('it is ready when it takes commands, appends to a file and evicts nothing', async () => {
  const answer = await ask('CONFIG GET appendonly\r\nCONFIG GET maxmemory-policy', /noeviction/);
  expect(answer).toContain('yes');
});

test('what it was told is there after a restart', async () => {
  await ask('SET kept 1', /OK/);
  await redis?.stop();
  const plan = await planRedis(dataDir);
  port = plan.port;
  redis = new KeptChild(plan, () => undefined);
  await redis.start();
  expect(await ask('GET kept', /1\r\n/)).toBe('$1\r\n1\r\n');
});

test('a second farm on the same folder is refused while the first one lives', async () => {
  await claimFor(process.ppid);
  await expect(planRedis(dataDir)).rejects.toThrow(
    `another farm (process ${process.ppid}) uses ${join(dataDir, 'redis')}`,
  );
  expect(await isPortFree(port)).toBe(false);
});

test('the server that a killed farm left behind is stopped first', async () => {
  const gone = spawn(process.execPath, ['-e', '']);
  await once(gone, 'exit');
  await claimFor(gone.pid ?? 0);
  await endTenancy(dataDir);
  expect(await isPortFree(port)).toBe(true);
});

test('whatever else listens on the port of a farm that is gone is left alone', async () => {
  const elsewhere = await mkdtemp(join(tmpdir(), 'kiln-redis-'));
  await rm(elsewhere, { recursive: true });
  const plan = await planRedis(elsewhere);
  await writeFile(join(elsewhere, 'redis', 'farm.json'), JSON.stringify({ farmPid: 1, port }));
  await endTenancy(elsewhere);
  expect(plan.port).not.toBe(port);
  expect(await isPortFree(port)).toBe(false);
  await rm(elsewhere, { recursive: true, force: true });
});

function ask(line: string, until: RegExp): Promise<string | undefined> {
  return askPort(port, line, (answer) => until.test(answer));
}

/** Makes it look as if another process had started the farm. */
async function claimFor(farmPid: number): Promise<void> {
  const file = join(dataDir, 'redis', 'farm.json');
  const tenancy: unknown = JSON.parse(await readFile(file, 'utf8'));
  expect(tenancy).toEqual({ farmPid: process.pid, port });
  await writeFile(file, JSON.stringify({ farmPid, port }));
}
