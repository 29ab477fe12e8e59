/** A real Redis for a test file: own process, own port, append-only file in a temporary folder. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Redis, type RedisOptions } from 'ioredis';
import { packageRoot } from '../../src/paths.ts';

const PROGRAMS = ['redis-server', 'valkey-server'];
const READY_LIMIT_MS = 10_000;
const POLL_MS = 10;

export interface TestRedis {
  readonly url: string;
  readonly port: number;
  /** A new connection; `stop` closes it. */
  client(options?: RedisOptions & { replyMapping?: 'legacy' }): Redis;
  /** A prefix that no other caller got. */
  prefix(): string;
  /** Sends the signal; resolves when it took effect: for SIGKILL and SIGTERM, when the process has ended. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Starts it again after its death, on the same port with the same data. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Throws when neither redis-server nor valkey-server can be started. */
export async function startRedis(): Promise<TestRedis> {
  const folder = await mkdtemp(join(tmpdir(), 'kiln-redis-'));
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  const clients = new Set<Redis>();
  let server = await launch(port, folder);
  let prefixes = 0;

  const kill = async (signal: NodeJS.Signals): Promise<void> => {
    const ends = signal === 'SIGKILL' || signal === 'SIGTERM';
    const ended = ends && server.exitCode === null && server.signalCode === null && once(server, 'exit');
    server.kill(signal);
    await ended;
  };

  return {
    url,
    port,
    client(options = {}) {
      const redis = new Redis(url, { maxRetriesPerRequest: null, retryStrategy: () => 20, ...options });
      redis.on('error', () => undefined);
      clients.add(redis);
      return redis;
    },
    prefix: () => `{test-${process.pid}-${prefixes++}}`,
    kill,
    async restart() {
      server = await launch(port, folder);
    },
    async stop() {
      for (const redis of clients) redis.disconnect();
      await kill('SIGCONT');
      await kill('SIGKILL');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function launch(port: number, folder: string): Promise<ChildProcess> {
  for (const program of PROGRAMS) {
    const args = [join(packageRoot(), 'deploy', 'redis.conf'), '--port', String(port), '--dir', folder];
    const server = spawn(program, args, { stdio: 'ignore' });
    const missing = once(server, 'error').then(() => true);
    const started = once(server, 'spawn').then(() => false);
    if (await Promise.race([missing, started])) continue;
    // A test that crashes must not leave its server behind.
    const reap = (): boolean => server.kill('SIGKILL');
    process.once('exit', reap);
    server.once('exit', () => process.off('exit', reap));
    await untilReady(server, port);
    return server;
  }
  throw new Error(`the tests need a Redis 6.2 or later: none of ${PROGRAMS.join(', ')} is on the PATH`);
}

async function untilReady(server: ChildProcess, port: number): Promise<void> {
  const limit = performance.now() + READY_LIMIT_MS;
  const probe = new Redis(port, '127.0.0.1', { retryStrategy: () => POLL_MS, maxRetriesPerRequest: null });
  probe.on('error', () => undefined);
  try {
    while (probe.status !== 'ready') {
      if (server.exitCode !== null)
        throw new Error(`Redis ended with ${server.exitCode}; is port ${port} taken?`);
      if (performance.now() > limit) throw new Error(`Redis was not ready after ${READY_LIMIT_MS} ms`);
      await pause(POLL_MS);
    }
  } finally {
    probe.disconnect();
  }
}

async function freePort(): Promise<number> {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  listener.close();
  await once(listener, 'close');
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}
