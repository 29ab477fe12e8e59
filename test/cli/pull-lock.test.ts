/** The lock of a pull, against other processes, dead ones and a race. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, readFile, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { takeLock } from '../../src/cli/models/pull-lock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const TWO_MINUTES_MS = 120_000;

test('one holder at a time: the next one learns who it is, and gets it after the release', async () => {
  const path = await lockPath();
  const lock = await takeLock(path);
  await expect(takeLock(path)).rejects.toThrow(
    `another \`kiln models pull\` (process ${process.pid} on ${hostname()}) fetches this model; wait for it, or delete ${path}`,
  );
  await lock.release();
  await (await takeLock(path)).release();
  await expect(access(path)).rejects.toThrow('ENOENT');
});

test('the lock of a dead process of this machine is free at once', async () => {
  const path = await lockPath();
  await writeFile(path, `${await deadPid()} ${hostname()} x\n`);
  const lock = await takeLock(path);
  expect(await readFile(path, 'utf8')).toMatch(new RegExp(`^${process.pid} `));
  await lock.release();
});

test('the lock of another machine is free when nobody has touched it for a minute', async () => {
  const path = await lockPath();
  await writeFile(path, '1 elsewhere x\n');
  await expect(takeLock(path)).rejects.toThrow('(process 1 on elsewhere)');
  const longAgo = new Date(Date.now() - TWO_MINUTES_MS);
  await utimes(path, longAgo, longAgo);
  await (await takeLock(path)).release();
});

test('of many that find a dead lock exactly one gets it', async () => {
  const path = await lockPath();
  await writeFile(path, `${await deadPid()} ${hostname()} x\n`);
  const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => takeLock(path)));
  const locks = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  expect(locks).toHaveLength(1);
  await locks[0]?.release();
});

test('a holder that lost its lock is told, and leaves the lock of the other alone', async () => {
  const path = await lockPath();
  const lock = await takeLock(path, 1);
  await writeFile(path, '1 elsewhere x\n');
  if (!lock.lost.aborted) await once(lock.lost, 'abort');
  expect(String(lock.lost.reason)).toContain('was taken by another `kiln models pull`');
  await lock.release();
  expect(await readFile(path, 'utf8')).toBe('1 elsewhere x\n');
});

async function lockPath(): Promise<string> {
  return join(await temporaryFolder(), '.lock-tiny');
}

async function deadPid(): Promise<number> {
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  return child.pid ?? 0;
}
