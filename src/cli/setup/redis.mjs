import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { SetupError, run } from './report.mjs';

/** Valkey speaks the same protocol and keeps the same files. */
const SERVERS = ['redis-server', 'valkey-server'];

/**
 * Package managers in the order in which they are looked for. `packages` are tried one after another, since
 * distributions differ in which of the two servers they carry.
 */
const INSTALLERS = [
  {
    tool: 'apt-get',
    refresh: ['update', '-qq'],
    install: ['install', '-y', '-qq', '--no-install-recommends'],
    packages: ['redis-server', 'valkey-server'],
  },
  { tool: 'dnf', install: ['install', '-y', '-q'], packages: ['valkey', 'redis'] },
  { tool: 'pacman', install: ['-S', '--noconfirm', '--needed'], packages: ['valkey', 'redis'] },
  { tool: 'zypper', install: ['--non-interactive', 'install'], packages: ['valkey', 'redis'] },
  { tool: 'brew', install: ['install', '--quiet'], packages: ['redis'], asUser: true },
];

/**
 * Finds a Redis for the farm: the one that REDIS_URL names, a server program on the PATH, or one that the
 * system's package manager installs when it may. Throws a SetupError that says what to type.
 */
export function findOrInstallRedis(report, environment) {
  if ((environment.REDIS_URL ?? '') !== '') {
    report.ok('redis', 'given by REDIS_URL');
    return;
  }
  const found = findServer(environment);
  if (found !== undefined) {
    report.ok('redis', found);
    return;
  }
  installServer(report, environment);
}

function findServer(environment) {
  for (const server of SERVERS) {
    const path = findOnPath(server, environment);
    if (path !== undefined) return path;
  }
  return undefined;
}

function installServer(report, environment) {
  const installer = INSTALLERS.find(({ tool }) => findOnPath(tool, environment) !== undefined);
  const otherwise = 'or name a running one: REDIS_URL=redis://host:6379';
  if (installer === undefined) {
    throw new SetupError(`No redis-server or valkey-server on the PATH. Install one, ${otherwise}`);
  }
  const prefix = rootPrefix(installer, environment);
  const [first] = installer.packages;
  const byHand = [...(installer.asUser ? [] : ['sudo']), installer.tool, ...installer.install, first].join(
    ' ',
  );
  const advice = `No redis-server or valkey-server was found. Type:\n\n  ${byHand}\n\n${otherwise}`;
  if (prefix === undefined) throw new SetupError(advice);
  report.work('redis', `installing with ${installer.tool}`);
  installFirstOffered(installer, { prefix, advice, environment });
  const path = findServer(environment);
  if (path === undefined)
    throw new SetupError(`${installer.tool} installed no server on the PATH.\n${advice}`);
  report.work('redis', path);
}

/** What to put before the tool: nothing as root (or for brew), `sudo -n` where it asks no password. */
function rootPrefix({ asUser = false }, environment) {
  const isRoot = process.getuid?.() === 0;
  // Homebrew refuses to run as root.
  if (asUser) return isRoot ? undefined : [];
  if (isRoot) return [];
  if (findOnPath('sudo', environment) === undefined) return undefined;
  return spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore', env: environment }).status === 0
    ? ['sudo', '-n']
    : undefined;
}

function installFirstOffered({ tool, refresh, install, packages }, { prefix, advice, environment }) {
  const command = (args) => {
    const [program, ...rest] = [...prefix, tool, ...args];
    run(program, rest, { advice, env: { ...environment, DEBIAN_FRONTEND: 'noninteractive' } });
  };
  if (refresh !== undefined) command(refresh);
  const last = packages.at(-1);
  for (const name of packages) {
    try {
      command([...install, name]);
      return;
    } catch (error) {
      if (!(error instanceof SetupError) || name === last) throw error;
    }
  }
}

function findOnPath(name, { PATH = '' }) {
  return PATH.split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find(isExecutable);
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
