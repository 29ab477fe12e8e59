/** What of the containers can be checked without an engine for them. `docs/deploy.md` says what cannot. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { Type, type Static } from 'typebox';
import { Value } from 'typebox/value';
import { parse } from 'yaml';
import { loadConfig } from '../../src/config.ts';
import { packageRoot } from '../../src/paths.ts';

/** Of `.env`, as somebody would fill it in. */
const SECRETS = {
  KILN_REDIS_PASSWORD: 'redis-password',
  KILN_S3_ACCESS_KEY_ID: 'access-key',
  KILN_S3_SECRET_ACCESS_KEY: 'secret-access-key',
};
/** Beyond the drain, as `workers/render/main.ts` and the mains of the others have it. */
const STOP_SECONDS = { render: 15, other: 10 };
const OWN = ['api', 'courier', 'bulk', 'render', 'render-gpu'];
const PINNED = /:[\w.-]*\d+\.\d+[\w.-]*$|:RELEASE\.[\dTZ-]+$/;

const Strings = Type.Array(Type.String());
const Container = Type.Object({
  image: Type.String(),
  build: Type.Optional(Type.Object({ dockerfile: Type.String() })),
  command: Type.Optional(Strings),
  environment: Type.Optional(Type.Record(Type.String(), Type.Union([Type.String(), Type.Number()]))),
  ports: Type.Optional(Strings),
  profiles: Type.Optional(Strings),
  healthcheck: Type.Optional(Type.Object({ test: Strings })),
  stop_grace_period: Type.Optional(Type.String()),
  read_only: Type.Optional(Type.Boolean()),
  init: Type.Optional(Type.Boolean()),
  cap_drop: Type.Optional(Strings),
  deploy: Type.Optional(Type.Unknown()),
});
type Container = Static<typeof Container>;
const Compose = Type.Object({ services: Type.Record(Type.String(), Container) });

let containers: Readonly<Record<string, Container>>;

beforeAll(async () => {
  const text = await readFile(join(packageRoot(), 'docker-compose.yml'), 'utf8');
  const parsed: unknown = parse(text, { merge: true });
  if (!Value.Check(Compose, parsed)) {
    throw new Error(`docker-compose.yml: ${JSON.stringify(Value.Errors(Compose, parsed)[0])}`);
  }
  containers = parsed.services;
});

function container(name: string): Container {
  const found = containers[name];
  if (found === undefined) throw new Error(`there is no container ${name}`);
  return found;
}

/** With the variables of `.env` in their places. */
function environmentOf(name: string): Record<string, string> {
  const env: Readonly<Record<string, string>> = SECRETS;
  const entries = Object.entries(container(name).environment ?? {});
  return Object.fromEntries(
    entries.map(([variable, value]) => [
      variable,
      String(value).replace(/\$\{(\w+)(?::[-?]([^}]*))?\}/g, (_, used: string) => env[used] ?? defaultOf(_)),
    ]),
  );
}

function defaultOf(reference: string): string {
  return /:-([^}]*)\}/.exec(reference)?.[1] ?? '';
}

describe('docker-compose.yml', () => {
  test('has Redis, a store, and every process of the farm; the GPU worker only in its profile', () => {
    expect(Object.keys(containers).toSorted()).toEqual(['bucket', ...OWN, 'redis', 'store'].toSorted());
    const profiles = Object.entries(containers).filter(([, { profiles: of }]) => of !== undefined);
    expect(profiles.map(([name, { profiles: of }]) => [name, of])).toEqual([['render-gpu', ['gpu']]]);
  });

  test.each(OWN)('gives %s settings that it takes', (name) => {
    const env = environmentOf(name);
    const config = loadConfig(env);
    expect(config.store).toMatchObject({ kind: 's3', bucket: 'kiln', endpoint: 'http://store:9000' });
    expect(config.redisUrl).toBe('redis://:redis-password@redis:6379');
    expect(config.device).toBe(name === 'render-gpu' ? 'cuda' : 'cpu');
  });

  test('uses no setting that Kiln does not know', async () => {
    const sources = await Promise.all(
      ['config.ts', 'operations-settings.ts', 'webhook-settings.ts', 'storage/store-settings.ts'].map(
        (file) => readFile(join(packageRoot(), 'src', file), 'utf8'),
      ),
    );
    const used = new Set(OWN.flatMap((name) => Object.keys(environmentOf(name))));
    expect([...used].filter((variable) => !sources.join('\n').includes(`${variable}:`))).toEqual([]);
  });

  test.each(OWN)('stops %s no sooner than it has handed over its work', (name) => {
    const grace = Number(/^(\d+)s$/.exec(container(name).stop_grace_period ?? '')?.[1]);
    const isRender = name.startsWith('render');
    const drain = isRender ? loadConfig(environmentOf(name)).drainMs / 1_000 : 0;
    expect(grace).toBeGreaterThan(drain + (isRender ? STOP_SECONDS.render : STOP_SECONDS.other));
  });

  test.each(OWN)('asks %s for its health at a port where it answers', (name) => {
    const { metrics, port, host } = loadConfig(environmentOf(name));
    const asked = container(name).healthcheck?.test.join(' ') ?? '';
    const answers = name === 'api' ? port : metrics.port;
    expect(asked).toContain(`http://127.0.0.1:${answers}/healthz`);
    expect(name === 'api' ? host : metrics.host).toBe('0.0.0.0');
  });

  test.each(OWN)('lets %s write nothing and be nobody', (name) => {
    expect(container(name)).toMatchObject({ read_only: true, cap_drop: ['ALL'], init: true });
  });

  test('runs code that is built, from Dockerfiles that exist', async () => {
    for (const name of OWN) {
      const { build, command } = container(name);
      const dockerfile = join(packageRoot(), build?.dockerfile ?? 'none');
      const text = existsSync(dockerfile) ? await readFile(dockerfile, 'utf8') : '';
      const started = command?.join(' ') ?? text;
      const [, entry = ''] = /dist\/([\w/]+)\.js/.exec(started) ?? [];
      expect(existsSync(join(packageRoot(), `${entry}.ts`)), `${name} starts ${entry}`).toBe(true);
    }
  });

  test('publishes the API alone, and that on loopback, where a key is asked for', () => {
    const published = Object.entries(containers).flatMap(([name, { ports = [] }]) =>
      ports.map((port) => `${name} ${port}`),
    );
    expect(published).toEqual(['api 127.0.0.1:${KILN_PORT:-8080}:8080']);
    expect(loadConfig(environmentOf('api')).requireKey).toBe(true);
  });

  test('pins what it does not build', () => {
    const foreign = Object.values(containers).filter(({ build }) => build === undefined);
    expect(foreign.map(({ image }) => image).filter((image) => !PINNED.test(image))).toEqual([]);
  });

  test('gives Redis a password, an append-only file on a volume, and no leave to evict', async () => {
    const { command = [] } = container('redis');
    expect(command).toContain('/etc/kiln/redis.conf');
    expect(command).toContain('--requirepass');
    const settings = await readFile(join(packageRoot(), 'deploy', 'redis.conf'), 'utf8');
    expect(settings).toMatch(/^appendonly yes$/m);
    expect(settings).toMatch(/^maxmemory-policy noeviction$/m);
  });

  test('reserves a GPU for the GPU worker alone', () => {
    const reserving = Object.entries(containers).filter(([, { deploy }]) => deploy !== undefined);
    expect(reserving.map(([name]) => name)).toEqual(['render-gpu']);
    expect(container('render-gpu').deploy).toMatchObject({
      resources: { reservations: { devices: [{ driver: 'nvidia', capabilities: ['gpu'] }] } },
    });
  });

  test('has no secret in it: who starts it without them is told which', async () => {
    const text = await readFile(join(packageRoot(), 'docker-compose.yml'), 'utf8');
    for (const secret of Object.keys(SECRETS)) {
      const uses = [...text.matchAll(new RegExp(`\\$\\{${secret}[^}]*\\}`, 'g'))].map(([use]) => use);
      expect(uses.length).toBeGreaterThan(0);
      expect(uses.filter((use) => !use.includes(':?'))).toEqual([]);
    }
    const example = await readFile(join(packageRoot(), 'deploy', 'env.example'), 'utf8');
    for (const secret of Object.keys(SECRETS)) expect(example).toMatch(new RegExp(`^${secret}=$`, 'm'));
  });
});

/** Debian's docker-compose needs no engine to read a file. */
const compose = ['docker-compose'].find((program) => spawnSync(program, ['version']).status === 0);
test.runIf(compose !== undefined)('docker-compose takes the file, with the profile and without', () => {
  for (const profile of [[], ['--profile', 'gpu']]) {
    const { status, stderr } = spawnSync(compose ?? '', [...profile, 'config', '--quiet'], {
      cwd: packageRoot(),
      env: { PATH: process.env['PATH'], ...SECRETS },
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    expect(status).toBe(0);
  }
});
