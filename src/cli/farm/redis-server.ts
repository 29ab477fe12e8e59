/** The farm's own Redis: a child on a free loopback port, with its files in the farm's data folder. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { packageRoot } from '../../paths.ts';
import { isAlive, type ChildPlan } from './kept-child.ts';
import { askPort, freePort } from './tcp.ts';

const SECOND = 1_000;
/** Loading a large append-only file at the start, or syncing it at the end, takes its time. */
const STOP_MS = 30 * SECOND;
const POLL_MS = 50;
const PROGRAMS = ['redis-server', 'valkey-server'] as const;

/** Who serves a data folder; kept in it, so that two servers never append to the same file. */
interface Tenancy {
  readonly farmPid: number;
  readonly port: number;
}

export interface RedisPlan extends ChildPlan {
  readonly port: number;
}

/** Throws when no server program is installed, or another farm uses the folder. */
export async function planRedis(dataDir: string): Promise<RedisPlan> {
  const folder = join(dataDir, 'redis');
  const program = findProgram();
  await endTenancy(dataDir);
  await mkdir(folder, { recursive: true });
  const port = await freePort();
  await writeFile(tenancyFile(folder), JSON.stringify({ farmPid: process.pid, port } satisfies Tenancy));
  return {
    name: 'redis',
    port,
    stopMs: STOP_MS,
    launch: () => launchRedis(program, folder, port),
    ready: (child) => untilRedisAnswers(child, port),
  };
}

/** Where the farm that runs in a data folder has its own Redis; undefined when none runs there. */
export async function ownRedisUrl(dataDir: string): Promise<string | undefined> {
  const folder = join(dataDir, 'redis');
  const tenancy = await readTenancy(folder);
  if (tenancy === undefined) return undefined;
  const serverPid = await redisPid(tenancy.port, await realpath(folder));
  return serverPid === undefined ? undefined : `redis://127.0.0.1:${tenancy.port}`;
}

/** The end of Redis's log, for a person who wants to know why it did not start. */
export async function redisLogTail(dataDir: string): Promise<string> {
  const log = await readFile(join(dataDir, 'redis', 'redis.log'), 'utf8').catch(() => '');
  return log.trimEnd().split('\n').slice(-5).join('\n');
}

function launchRedis(program: string, folder: string, port: number): ChildProcess {
  const settings = {
    port: String(port),
    bind: '127.0.0.1',
    dir: folder,
    logfile: join(folder, 'redis.log'),
    daemonize: 'no',
    pidfile: join(folder, 'redis.pid'),
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  // Detached: Ctrl-C in the terminal must not reach it before the processes that still need it.
  return spawn(program, [join(packageRoot(), 'deploy', 'redis.conf'), ...args], {
    stdio: 'ignore',
    detached: true,
  });
}

/** It listens before it has loaded its files, and says LOADING until then. */
async function untilRedisAnswers(child: ChildProcess, port: number): Promise<void> {
  while (isAlive(child)) {
    const answer = await askPort(port, 'PING', (text) => text.includes('\r\n'));
    if (answer?.startsWith('+PONG') === true) return;
    await pause(POLL_MS);
  }
  throw new Error('Redis ended before it answered');
}

function findProgram(): string {
  const found = PROGRAMS.find((program) => spawnSync(program, ['--version']).status === 0);
  if (found !== undefined) return found;
  throw new Error(`no ${PROGRAMS.join(' or ')} on the PATH: run \`npm run setup\`, or set REDIS_URL`);
}

/** Refuses a data folder that a living farm uses; stops the server that a killed farm left behind. */
export async function endTenancy(dataDir: string): Promise<void> {
  const folder = join(dataDir, 'redis');
  const tenancy = await readTenancy(folder);
  if (tenancy === undefined) return;
  const serverPid = await redisPid(tenancy.port, await realpath(folder));
  if (serverPid !== undefined) {
    if (tenancy.farmPid !== process.pid && isRunning(tenancy.farmPid)) {
      throw new Error(
        `another farm (process ${tenancy.farmPid}) uses ${folder}; stop it, or set KILN_DATA_DIR to another folder`,
      );
    }
    process.kill(serverPid, 'SIGTERM');
    while (isRunning(serverPid)) await pause(POLL_MS);
  }
  await rm(tenancyFile(folder), { force: true });
}

async function readTenancy(folder: string): Promise<Tenancy | undefined> {
  const text = await readFile(tenancyFile(folder), 'utf8').catch(() => '');
  if (text === '') return undefined;
  const tenancy: unknown = JSON.parse(text);
  if (isTenancy(tenancy)) return tenancy;
  throw new Error(
    `${tenancyFile(folder)} does not say who serves the folder; delete it if no farm runs there`,
  );
}

function isTenancy(value: unknown): value is Tenancy {
  if (typeof value !== 'object' || value === null || !('farmPid' in value) || !('port' in value))
    return false;
  return typeof value.farmPid === 'number' && typeof value.port === 'number';
}

function tenancyFile(folder: string): string {
  return join(folder, 'farm.json');
}

/**
 * The process that serves `folder` at that port. Asked of the server itself, because the port and the process
 * number in a file may meanwhile belong to somebody else.
 */
async function redisPid(port: number, folder: string): Promise<number | undefined> {
  const pattern = /process_id:(\d+)\r/;
  const answer = await askPort(port, 'CONFIG GET dir\r\nINFO server', (text) => pattern.test(text));
  if (answer?.includes(`\r\n${folder}\r\n`) !== true) return undefined;
  return Number(pattern.exec(answer)?.[1]);
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
