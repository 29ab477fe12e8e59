/** The courier as it runs, killed at the worst moments. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { packageRoot } from '../../src/paths.ts';
import { WebhookDeliveries } from '../../src/queue/webhook-deliveries.ts';
import { LANE, queueFixture } from '../queue/fixture.ts';
import { letTimePass } from '../queue/webhook-fixture.ts';
import { newRef, someParams, someResult } from '../support/jobs.ts';
import { FarmProcess } from '../support/processes.ts';
import { verified, WebhookReceiver } from '../support/webhook-receiver.ts';

const q = queueFixture();
const QUERY = 'token=hunter2';

let folder: string;
let receiver: WebhookReceiver;
let env: Record<string, string>;
let courier: FarmProcess;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kiln-courier-'));
  receiver = await new WebhookReceiver().start();
  env = {
    REDIS_URL: q().server.url,
    KILN_PREFIX: q().keys.prefix,
    KILN_DATA_DIR: folder,
    KILN_WEBHOOK_ALLOW: receiver.origin,
  };
  courier = new FarmProcess({
    name: 'courier',
    entry: join(packageRoot(), 'dist', 'workers', 'courier', 'main.js'),
    env: { ...env, KILN_LOG_LEVEL: 'debug' },
    logFile: join(folder, 'courier.log'),
  });
});
afterEach(async () => {
  await receiver.close();
  await courier.stop();
  await rm(folder, { recursive: true, force: true });
});

async function killCourier(): Promise<void> {
  courier.signal('SIGKILL');
  await courier.exited();
}

it('a courier killed before it has sent, or before it knows the answer, loses nothing and keeps the id', async () => {
  const path = `/hook?${QUERY}`;
  const webhook = { url: receiver.origin + path, events: ['completed'] } as const;
  const ref = newRef();
  await q().records.admit({ ref, params: someParams({ webhook }), lane: LANE });
  await q().records.claim(ref, 'w');
  await q().records.commit(ref, 1, someResult(ref, 1));

  // Claimed and connected: nothing of the message has arrived.
  const connected = new Promise<void>((resolve) => {
    receiver.onConnection(() => {
      courier.signal('SIGKILL');
      resolve();
    });
  });
  const main = join(packageRoot(), 'dist', 'src', 'cli', 'main.js');
  const command = promisify(execFile)(process.execPath, [main, 'webhooks', 'secret'], { env });
  const [shown] = await Promise.all([command, courier.start()]);
  await connected;
  await courier.exited();
  const sentBefore = receiver.received.length;

  // Arrived, but the answer never comes back.
  receiver.answer(path, 'hang', { status: 200 });
  await letTimePass(q().redis, q().keys);
  await courier.start();
  await receiver.at(path, sentBefore + 1);
  await killCourier();

  await letTimePass(q().redis, q().keys);
  await courier.start();
  const sent = await receiver.at(path, sentBefore + 2);
  const id = `msg_${ref.id}_completed`;
  expect(new Set(sent.map((one) => one.id))).toEqual(new Set([id]));

  const deliveries = new WebhookDeliveries(q().redis, q().keys, { logTtlMs: 1 });
  while ((await deliveries.read('default', id))?.state !== 'delivered');
  expect(await courier.stop()).toEqual({ code: 0, signal: null });

  const secret = shown.stdout.trim();
  for (const one of sent) expect(verified(secret, one)).toMatchObject({ data: { id: ref.id } });
  const log = await readFile(courier.logFile, 'utf8');
  expect(log).toContain('webhook delivered');
  expect(log).not.toContain(QUERY);
  expect(log).not.toContain(secret);
});
