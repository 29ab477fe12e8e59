/** What a farm needs of this machine, by its settings; each thing tried for real, and left as it was. */
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { totalmem } from 'node:os';
import { budgetBytes } from '../../domain/residency.ts';
import { DEFAULT_TENANT } from '../../domain/job.ts';
import type { Config } from '../../config.ts';
import { createLogger } from '../../log.ts';
import { checkRedis, connectApi, disconnect } from '../../queue/connection.ts';
import { openStore } from '../../storage/open-store.ts';
import { farmUrl } from '../farm-client.ts';
import { ownRedisUrl } from '../farm/redis-server.ts';
import { isPortFree } from '../farm/tcp.ts';
import type { Finding } from './examine-s3.ts';

const GIB = 1024 ** 3;
const ANSWER_LIMIT_MS = 3_000;
const OLDEST_NODE = [20, 19] as const;
const REDIS_PROGRAMS = ['redis-server', 'valkey-server'];

/** Throws what is wrong; answers what was seen. */
type Check = (config: Config, environment: NodeJS.ProcessEnv) => Promise<string>;

/** There is nothing to try. */
class NothingToTry extends Error {}

const CHECKS: ReadonlyArray<readonly [name: string, check: Check]> = [
  ['node', () => Promise.resolve(nodeVersion())],
  ['redis', redis],
  ['store', store],
  ['models', models],
  ['device', device],
  ['port', port],
  ['farm', farm],
];

export async function* examineMachine(
  config: Config,
  environment: NodeJS.ProcessEnv,
): AsyncGenerator<Finding> {
  for (const [name, check] of CHECKS) {
    try {
      yield { name, outcome: 'ok', text: await check(config, environment) };
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      yield { name, outcome: error instanceof NothingToTry ? 'skipped' : 'FAIL', text };
    }
  }
}

function nodeVersion(): string {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [least, leastMinor] = OLDEST_NODE;
  if (major < least || (major === least && minor < leastMinor)) {
    throw new Error(`Node is ${process.versions.node}; Kiln needs ${OLDEST_NODE.join('.')} or newer`);
  }
  return `${process.versions.node} on ${process.platform}-${process.arch}`;
}

/** The one that is named, else that of the farm which runs here, else the program that `kiln up` would start. */
async function redis(config: Config, environment: NodeJS.ProcessEnv): Promise<string> {
  const isGiven = (environment['REDIS_URL'] ?? '') !== '';
  const url = isGiven ? config.redisUrl : await ownRedisUrl(config.dataDir);
  if (url !== undefined) return redisAt(url);
  const program = REDIS_PROGRAMS.find((name) => spawnSync(name, ['--version']).status === 0);
  if (program !== undefined) return `REDIS_URL is not set; \`kiln up\` will start ${program}`;
  throw new Error(`REDIS_URL is not set, and no ${REDIS_PROGRAMS.join(' or ')} is on the PATH`);
}

async function redisAt(url: string): Promise<string> {
  const log = createLogger('kiln', 'silent');
  const client = connectApi({ redisUrl: url }, log);
  try {
    await new Promise((resolve, reject) => client.once('ready', resolve).once('error', reject));
    await checkRedis(client, log);
    const info = await client.info();
    const [, version = 'unknown'] = /(?:valkey|redis)_version:(\S+)/.exec(info) ?? [];
    const isKept = /aof_enabled:1/.test(info);
    const kept = isKept ? 'with append-only file' : 'WITHOUT append-only file: jobs are lost when it stops';
    return `version ${version}, never evicts, ${kept}`;
  } finally {
    disconnect(client);
  }
}

async function store({ store: settings }: Config): Promise<string> {
  const objects = await openStore(settings, 'api');
  const key = `${DEFAULT_TENANT}/doctor/${randomUUID()}`;
  const bytes = Buffer.from('kiln doctor');
  await objects.put(key, bytes, 'text/plain');
  const read = await objects.get(key);
  await objects.delete(key);
  if (read === undefined || !bytes.equals(read)) throw new Error('what was put did not come back');
  return settings.kind === 'local'
    ? `folder ${settings.folder} takes and gives objects`
    : `bucket ${settings.bucket} takes and gives objects; \`kiln doctor s3\` tries the rest`;
}

async function models({ modelDirs, defaultModel }: Config): Promise<string> {
  const { findModels, readModelFolder } = await import('../../../workers/render/onnx/model-folder.ts');
  const found = await findModels(modelDirs);
  const broken: string[] = [];
  for (const { name, path } of found) {
    try {
      await readModelFolder(path);
    } catch (error) {
      broken.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  if (broken.length > 0) throw new Error(`cannot be used: ${broken.join('; ')}`);
  const names = found.map(({ name }) => name);
  if (!names.includes(defaultModel)) {
    throw new Error(`${defaultModel}, the default, is not among ${names.join(', ') || 'no models at all'}`);
  }
  return names.join(', ');
}

async function device({ device: name, cpuProfile, threads, memoryBudget }: Config): Promise<string> {
  // onnxruntime takes a while to load, and what it says when it fails is the answer here.
  const [{ checkDevice }, { totalMemory }] = await Promise.all([
    import('../../../workers/render/engine/check-device.ts'),
    import('../../../workers/render/engine/free-memory.ts'),
  ]);
  await checkDevice({
    device: name === 'cuda' ? { kind: 'cuda', deviceId: 0 } : { kind: 'cpu' },
    profile: cpuProfile,
    threads,
  });
  const budget = budgetBytes(memoryBudget, name, await totalMemory(name));
  const rest = name === 'cpu' ? `, ${threads} threads, ${(totalmem() / GIB).toFixed(1)} GiB of memory` : '';
  return `${name} computes; ${(budget / GIB).toFixed(1)} GiB for models${rest}`;
}

async function port({ port: number, host }: Config): Promise<string> {
  if (number === 0) return 'any free one';
  if (await isPortFree(number)) return `${number} is free`;
  const answers = await fetch(`http://127.0.0.1:${number}/healthz`, {
    signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
  }).then(
    ({ ok }) => ok,
    () => false,
  );
  if (answers) return `an API answers at ${host}:${number}`;
  throw new Error(`${number} is taken by something else; set KILN_PORT`);
}

async function farm(_config: Config, environment: NodeJS.ProcessEnv): Promise<string> {
  const url = farmUrl(environment);
  let response: Response;
  try {
    response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(ANSWER_LIMIT_MS) });
  } catch {
    // No farm need run yet; who wants one there has set KILN_URL.
    if ((environment['KILN_URL'] ?? '') === '') throw new NothingToTry(`no farm answers at ${url}`);
    throw new Error(`no farm answers at KILN_URL ${url}`);
  }
  const text = await response.text();
  if (!response.ok) throw new Error(`${url} is not ready: ${text}`);
  return `${url} takes jobs`;
}
