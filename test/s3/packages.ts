/** The programs of a real S3 server, installed by the system's package manager when that may be done without a password. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { getuid } from 'node:process';
import { promisify } from 'node:util';
import { RADOSGW_PACKAGES } from './radosgw.ts';

const execute = promisify(execFile);

/** Throws with the command that a person can run when the programs are missing and cannot be installed from here. */
export async function installRadosgw(): Promise<void> {
  const missing: string[] = [];
  for (const [name, programs] of Object.entries(RADOSGW_PACKAGES)) {
    const there = await Promise.all(programs.map(isThere));
    if (there.includes(false)) missing.push(name);
  }
  if (missing.length === 0) return;
  const command = ['apt-get', 'install', '-y', '--no-install-recommends', ...missing];
  if (!(await isThere('apt-get')) || (getuid?.() !== 0 && !(await maySudo())))
    throw new Error(`missing: ${missing.join(', ')}; on Debian or Ubuntu: sudo ${command.join(' ')}`);
  console.log(`Installing ${missing.join(', ')} with apt-get`);
  const asRoot = getuid?.() === 0 ? [] : ['sudo', '-n'];
  await run([...asRoot, 'apt-get', 'update', '-qq']);
  await run([...asRoot, 'env', 'DEBIAN_FRONTEND=noninteractive', ...command, '-qq']);
}

async function isThere(program: string): Promise<boolean> {
  try {
    await execute('sh', ['-c', `command -v "${program}"`]);
    return true;
  } catch {
    return false;
  }
}

async function maySudo(): Promise<boolean> {
  try {
    await execute('sudo', ['-n', 'true']);
    return true;
  } catch {
    return false;
  }
}

async function run([program = '', ...args]: readonly string[]): Promise<void> {
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  await once(child, 'exit');
  const { exitCode: code } = child;
  if (code !== 0) throw new Error(`${[program, ...args].join(' ')} ended with ${code ?? 'a signal'}`);
}
