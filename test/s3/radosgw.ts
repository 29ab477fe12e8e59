/**
 * A real S3 server that every Debian has: Ceph's radosgw, with one monitor and one storage daemon that keeps all in
 * memory. Own ports, everything in one folder. The order of the steps and the cephx settings matter: without
 * authentication radosgw asks for ever for a key that it is not given.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';

/** Programs, by the packages of Debian and Ubuntu that have them. */
export const RADOSGW_PACKAGES: Readonly<Record<string, readonly string[]>> = {
  radosgw: ['radosgw'],
  'ceph-mon': ['ceph-mon', 'monmaptool'],
  'ceph-osd': ['ceph-osd'],
  'ceph-common': ['ceph', 'ceph-authtool', 'radosgw-admin'],
};

export interface Radosgw {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  stop(): Promise<void>;
}

const KEY = { accessKeyId: 'kilntestkey', secretAccessKey: 'kiln/test+secret' };
const STEP_LIMIT_MS = 60_000;
const POLL_MS = 100;
const LOG_TAIL_CHARS = 2_000;
/** Who may what: [entity, capability, ...]. */
const KEYRING = [
  ['mon.', 'mon', 'allow *'],
  ['client.admin', 'mon', 'allow *', 'osd', 'allow *'],
  ['osd.0', 'mon', 'allow profile osd', 'osd', 'allow *'],
  ['client.rgw.a', 'mon', 'allow rw', 'osd', 'allow rwx'],
] as const;

/** Rejects, with everything stopped again, when one part does not come up. */
export async function startRadosgw(): Promise<Radosgw> {
  const cluster = new Cluster(await mkdtemp(join(tmpdir(), 'kiln-rgw-')));
  const stop = (): Promise<void> => cluster.stop();
  try {
    return { endpoint: await cluster.start(), ...KEY, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

class Cluster {
  readonly #folder: string;
  readonly #daemons: ChildProcess[] = [];

  constructor(folder: string) {
    this.#folder = folder;
  }

  async start(): Promise<string> {
    const [monPort, rgwPort] = [await freePort(), await freePort()];
    const fsid = randomUUID();
    await Promise.all(['mon', 'osd', 'run'].map((name) => mkdir(this.#path(name))));
    await writeFile(this.#path('ceph.conf'), this.#settings({ monPort, rgwPort, fsid }));
    await this.#makeKeyring();
    const address = `[v2:127.0.0.1:${monPort}]`;
    await this.#run('monmaptool', ['--create', '--addv', 'a', address, '--fsid', fsid, this.#path('monmap')]);
    const keys = ['--monmap', this.#path('monmap'), '--keyring', this.#path('keyring')];
    await this.#run('ceph-mon', ['--mkfs', '-i', 'a', ...keys]);
    await this.#daemon('ceph-mon', ['-i', 'a', '-f']);
    await this.#run('ceph', ['osd', 'create']);
    await this.#run('ceph-osd', ['-i', '0', '--mkfs']);
    await this.#daemon('ceph-osd', ['-i', '0', '-f']);
    const radosgw = await this.#daemon('radosgw', ['-n', 'client.rgw.a', '-f']);
    const keysOf = [`--access-key=${KEY.accessKeyId}`, `--secret=${KEY.secretAccessKey}`];
    await this.#run('radosgw-admin', ['user', 'create', '--uid=kiln', '--display-name=kiln', ...keysOf]);
    const endpoint = `http://127.0.0.1:${rgwPort}`;
    await this.#untilAnswers(endpoint, radosgw);
    return endpoint;
  }

  async stop(): Promise<void> {
    // Nothing of it is to be kept, so nothing has to be put away.
    await Promise.all(
      this.#daemons.map(async (daemon) => {
        if (daemon.exitCode !== null || daemon.signalCode !== null) return;
        const ended = once(daemon, 'exit');
        daemon.kill('SIGKILL');
        await ended;
      }),
    );
    await rm(this.#folder, { recursive: true, force: true });
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }

  #settings({ monPort, rgwPort, fsid }: { monPort: number; rgwPort: number; fsid: string }): string {
    return `[global]
fsid = ${fsid}
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
mon host = v2:127.0.0.1:${monPort}
ms bind msgr1 = false
osd pool default size = 1
osd crush chooseleaf type = 0
mon allow pool size one = true
osd pool default pg num = 8
osd objectstore = memstore
keyring = ${this.#path('keyring')}
run dir = ${this.#path('run')}
admin socket = ${this.#path('run')}/$name.asok
pid file = ${this.#path('run')}/$name.pid
log file = ${this.#path('$name.log')}
mon cluster log file = ${this.#path('cluster.log')}
mon data = ${this.#path('mon')}
osd data = ${this.#path('osd')}
rgw data = ${this.#path('rgw')}
rgw frontends = beast endpoint=127.0.0.1:${rgwPort}
`;
  }

  async #makeKeyring(): Promise<void> {
    const keyring = this.#path('keyring');
    for (const [index, [entity, ...capabilities]] of KEYRING.entries()) {
      const pairs = Array.from({ length: capabilities.length / 2 }, (_, n) =>
        capabilities.slice(2 * n, 2 * n + 2),
      );
      const args = pairs.flatMap((pair) => ['--cap', ...pair]);
      const create = index === 0 ? ['--create-keyring'] : [];
      await execute('ceph-authtool', [...create, keyring, '--gen-key', '-n', entity, ...args]);
    }
  }

  async #run(program: string, args: readonly string[]): Promise<void> {
    await execute(program, ['-c', this.#path('ceph.conf'), ...args], { timeout: STEP_LIMIT_MS });
  }

  async #daemon(program: string, args: readonly string[]): Promise<ChildProcess> {
    const output = await open(this.#path(`${program}.out`), 'a');
    const daemon = spawn(program, ['-c', this.#path('ceph.conf'), ...args], {
      stdio: ['ignore', output.fd, output.fd],
    });
    this.#daemons.push(daemon);
    // A test that crashes must not leave its servers behind.
    const reap = (): boolean => daemon.kill('SIGKILL');
    process.once('exit', reap);
    daemon.once('exit', () => process.off('exit', reap));
    await once(daemon, 'spawn');
    await output.close();
    return daemon;
  }

  async #untilAnswers(endpoint: string, radosgw: ChildProcess): Promise<void> {
    const limit = performance.now() + STEP_LIMIT_MS;
    while (!(await answers(endpoint))) {
      if (radosgw.exitCode === null && performance.now() < limit) {
        await pause(POLL_MS);
        continue;
      }
      const log = await readFile(this.#path('client.rgw.a.log'), 'utf8').catch(() => '');
      throw new Error(`radosgw does not answer; its log ends with:\n${log.slice(-LOG_TAIL_CHARS)}`);
    }
  }
}

const execute = promisify(execFile);

async function answers(endpoint: string): Promise<boolean> {
  try {
    return (await fetch(endpoint)).ok;
  } catch {
    return false;
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
