import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { findOrInstallRedis, type SetupReport } from '../../src/cli/setup/redis.mjs';

let folder: string;
let told: string[];
const report: SetupReport = {
  ok: (topic, text) => told.push(`${topic} ${text}`),
  work: (topic, text) => told.push(`${topic} ${text}`),
};

beforeEach(async () => {
  told = [];
  folder = await mkdtemp(join(tmpdir(), 'kiln-path-'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

test('a Redis that REDIS_URL names is taken without looking further', () => {
  findOrInstallRedis(report, { REDIS_URL: 'redis://elsewhere:6379', PATH: folder });
  expect(told).toEqual(['redis given by REDIS_URL']);
});

test('a Valkey on the PATH will do', async () => {
  await program('valkey-server', 'exit 0');
  findOrInstallRedis(report, { PATH: folder });
  expect(told).toEqual([`redis ${join(folder, 'valkey-server')}`]);
});

test('the package manager is asked for each of the two servers until it has one', async () => {
  await program('sudo', 'shift; exec "$@"');
  // Has no valkey; its redis is a program that appears on the PATH.
  await program(
    'dnf',
    `case "$4" in redis) printf '#!/bin/sh\\n' > ${folder}/redis-server; /bin/chmod +x ${folder}/redis-server;; *) exit 1;; esac`,
  );
  findOrInstallRedis(report, { PATH: folder });
  expect(told).toEqual(['redis installing with dnf', `redis ${join(folder, 'redis-server')}`]);
});

test('without a server or a package manager it says what to do', () => {
  expect(() => findOrInstallRedis(report, { PATH: folder })).toThrow(/Install one, or name a running one/);
});

test('a package manager that fails leaves the command to type', async () => {
  await program('sudo', 'shift; exec "$@"');
  await program('dnf', 'exit 1');
  expect(() => findOrInstallRedis(report, { PATH: folder })).toThrow(/sudo dnf install -y -q valkey/);
});

async function program(name: string, script: string): Promise<void> {
  await writeFile(join(folder, name), `#!/bin/sh\n${script}\n`);
  await chmod(join(folder, name), 0o755);
}
