/** What no linter rule says: names and sizes of files over the whole tree. */
import { readFile, readdir } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { packageRoot } from '../../src/paths.ts';

const MAX_LINES = 300;
const MAX_MAIN_LINES = 100;
/** Words that mean too much to name a thing by. */
const VAGUE = /manager|service|util|helper|scheduler/i;
const DECLARATION = /^\s*(?:export )?(?:abstract )?(?:class|interface|type|function|const|let) (\w+)/gm;

interface Source {
  readonly path: string;
  readonly text: string;
}

let sources: readonly Source[];

beforeAll(async () => {
  const paths = await Promise.all(['src', 'api', 'workers', 'bench', 'test'].map(filesBelow));
  const code = paths.flat().filter((path) => /\.(?:ts|mjs)$/.test(path));
  sources = await Promise.all(
    code.map(async (path) => ({ path, text: await readFile(join(packageRoot(), path), 'utf8') })),
  );
});

describe('every file of code', () => {
  test(`has at most ${MAX_LINES} lines`, () => {
    expect(sources.filter(({ text }) => lines(text) > MAX_LINES).map(({ path }) => path)).toEqual([]);
  });

  test('has a name that says what it holds', () => {
    expect(sources.map(({ path }) => path).filter((path) => VAGUE.test(basename(path)))).toEqual([]);
  });

  test('declares things by what they are', () => {
    const vague = sources.flatMap(({ path, text }) =>
      [...text.matchAll(DECLARATION)]
        .map(([, name = '']) => name)
        .filter((name) => VAGUE.test(name))
        .map((name) => `${path}: ${name}`),
    );
    expect(vague).toEqual([]);
  });
});

test(`a main.ts wires its process in at most ${MAX_MAIN_LINES} lines`, () => {
  const mains = sources.filter(({ path }) => /^(?:src|api|workers)\/.*\bmain\.ts$/.test(path));
  expect(mains.filter(({ text }) => lines(text) > MAX_MAIN_LINES).map(({ path }) => path)).toEqual([]);
});

test('deploy holds data only', async () => {
  const paths = await filesBelow('deploy');
  expect(paths.filter((path) => /\.[cm]?[jt]s$/.test(path))).toEqual([]);
});

/** Paths from the root of the repository. */
async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(join(packageRoot(), folder), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(packageRoot(), join(entry.parentPath, entry.name)));
}

function lines(text: string): number {
  return text.trimEnd().split('\n').length;
}
