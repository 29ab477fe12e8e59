import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { packageRoot } from '../../src/paths.ts';
import { LocalStore } from '../../src/storage/local-store.ts';
import { jobDocumentKey } from '../../src/storage/object-keys.ts';
import { LANE, queueFixture } from '../queue/fixture.ts';
import { FarmProcess } from '../support/processes.ts';

const q = queueFixture();
let folder: string;
let courier: FarmProcess;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kiln-courier-'));
  courier = new FarmProcess({
    name: 'courier',
    entry: join(packageRoot(), 'dist', 'workers', 'courier', 'main.js'),
    env: {
      REDIS_URL: q().server.url,
      KILN_PREFIX: q().keys.prefix,
      KILN_DATA_DIR: folder,
      KILN_RECONCILE_SECONDS: '0.05',
    },
    logFile: join(folder, 'courier.log'),
  });
});
afterEach(async () => {
  await courier.stop();
  await rm(folder, { recursive: true, force: true });
});

async function archived(ref: { tenant: string; id: string }): Promise<void> {
  const store = new LocalStore(join(folder, 'objects'));
  while ((await store.get(jobDocumentKey(ref))) === undefined);
}

it('the courier archives, repairs, survives an outage of Redis and stops cleanly', async () => {
  const before = await q().inState('succeeded');
  await courier.start();
  await archived(before.ref);

  // Lost between admit and enqueue, long enough ago.
  const lost = await q().admitted();
  const scores = [q().keys.index('default'), q().keys.index('default', 'queued')];
  for (const index of scores) await q().redis.zadd(index, 1, lost.id);
  while (!(await q().lanes.has(lost, LANE)));

  await q().server.kill('SIGKILL');
  await q().server.restart();
  const after = await q().inState('cancelled');
  await archived(after.ref);

  expect(await courier.stop()).toEqual({ code: 0, signal: null });
  const log = await readFile(courier.logFile, 'utf8');
  expect(log).not.toContain('"level":60');
  expect(await q().redis.xinfo('CONSUMERS', q().keys.outbox, 'archive')).toEqual([]);
});

it('the courier stops within its deadline while Redis is frozen', async () => {
  await courier.start();
  await q().server.kill('SIGSTOP');
  const exit = await courier.stop();
  await q().server.kill('SIGCONT');
  expect(exit).toEqual({ code: 0, signal: null });
});
