/** Rules for Dockerfiles that a linter of them would check, and those that are Kiln's own. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { packageRoot } from '../../src/paths.ts';

interface Instruction {
  readonly name: string;
  readonly text: string;
}

async function instructions(file: string): Promise<Instruction[]> {
  const text = await readFile(join(packageRoot(), 'deploy', file), 'utf8');
  return text
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll('\\\n', ' ')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => ({ name: line.split(' ', 1)[0] ?? '', text: line.slice(line.indexOf(' ') + 1) }));
}

describe.each(['api.Dockerfile', 'render-cpu.Dockerfile', 'render-cuda.Dockerfile'])('%s', (file) => {
  test('starts from images of a fixed version', async () => {
    const from = (await instructions(file)).filter(({ name }) => name === 'FROM');
    for (const { text } of from) expect(text).toMatch(/^[\w/]+:\d+\.\d+\.\d+-[\w.-]+(?: AS build)?$/);
  });

  test('ends as a user who is not root, and starts its process without a shell in between', async () => {
    const all = await instructions(file);
    const last = all.map(({ name }) => name).lastIndexOf('USER');
    expect(all[last]?.text).toBe('10001:10001');
    expect(all.slice(last).some(({ name }) => name === 'RUN' || name === 'COPY')).toBe(false);
    const start = all.at(-1);
    expect(start?.name).toBe('CMD');
    expect(start?.text).toMatch(/^\["node", "dist\/[\w/]+\.js"\]$|&& exec node dist\/[\w/]+\.js"\]$/);
  });

  test('installs what the lock file says, and runs no script of what it installs', async () => {
    const installs = (await instructions(file)).filter(({ text }) => /npm (?:ci|install|i)\b/.test(text));
    expect(installs.length).toBe(1);
    expect(installs[0]?.text).toContain('npm ci --ignore-scripts');
  });

  test('fetches nothing by address, and copies only what is there and what .dockerignore lets through', async () => {
    const all = await instructions(file);
    expect(all.filter(({ name, text }) => name === 'ADD' || /\bcurl\b|\bwget\b/.test(text))).toEqual([]);
    const ignore = await readFile(join(packageRoot(), '.dockerignore'), 'utf8');
    const allowed = [...ignore.matchAll(/^!(\S+)$/gm)].map(([, path]) => path);
    const copied = all
      .filter(({ name, text }) => name === 'COPY' && !text.startsWith('--from'))
      .flatMap(({ text }) => text.split(' ').slice(0, -1));
    for (const path of copied) {
      expect(existsSync(join(packageRoot(), path)), path).toBe(true);
      expect(allowed).toContain(path);
    }
  });
});

test('the CUDA image installs the provider on purpose, and its container ends when there is no GPU to use', async () => {
  const all = await instructions('render-cuda.Dockerfile');
  const provider = all.findIndex(({ text }) => text === 'node src/cli/setup-cuda.mjs --no-probe');
  const runtime = all.map(({ name }) => name).lastIndexOf('FROM');
  // In the image that runs, where the libraries are that it is checked against.
  expect(provider).toBeGreaterThan(runtime);
  expect(all[runtime]?.text).toContain('nvidia/cuda:13.');
  expect(all.at(-1)?.text).toContain('node src/cli/setup/cuda-probe.mjs && exec node');
});

test('the probe of the CUDA image ends with a reason where there is no CUDA', () => {
  const probe = join(packageRoot(), 'src', 'cli', 'setup', 'cuda-probe.mjs');
  const { status, stderr } = spawnSync(process.execPath, [probe], {
    env: { PATH: process.env['PATH'], LD_LIBRARY_PATH: '/nowhere', CUDA_VISIBLE_DEVICES: '' },
    encoding: 'utf8',
  });
  expect(status).toBe(1);
  expect(stderr).toMatch(/cuda/i);
});

const hasShellcheck = spawnSync('shellcheck', ['--version']).status === 0;
test.runIf(hasShellcheck)('shellcheck has nothing to say of the scripts', () => {
  const { stdout } = spawnSync('shellcheck', [join(packageRoot(), '.ci', 'run')], { encoding: 'utf8' });
  expect(stdout).toBe('');
});
