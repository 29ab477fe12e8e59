/** Documentation that names files and commands which are gone is worse than none. */
import { existsSync } from 'node:fs';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { packageRoot } from '../../src/paths.ts';

/** Paths of this repository in backticks, with or without an extension. */
const PATH = /`((?:src|api|workers|test|bench|docs|models|deploy)\/[\w./-]+)`/g;
const NPM_SCRIPT = /npm run ([\w:-]+)/g;
const LINK = /\]\((?!https?:|#)([^)#]+)/g;

interface Page {
  readonly path: string;
  readonly text: string;
}

let pages: readonly Page[];

beforeAll(async () => {
  const docs = await readdir(join(packageRoot(), 'docs'), { recursive: true });
  const paths = [
    'README.md',
    'CONTRIBUTING.md',
    'api/routes/README.md',
    ...docs.filter((path) => path.endsWith('.md')).map((path) => join('docs', path)),
  ];
  pages = await Promise.all(
    paths.map(async (path) => ({ path, text: await readFile(join(packageRoot(), path), 'utf8') })),
  );
});

test('every file that the documentation names exists', () => {
  const missing = pages.flatMap(({ path, text }) =>
    matches(text, PATH)
      .filter((named) => !existsSync(join(packageRoot(), named)))
      .map((named) => `${path}: ${named}`),
  );
  expect(missing).toEqual([]);
});

test('every link between pages leads somewhere', () => {
  const broken = pages.flatMap(({ path, text }) =>
    matches(text, LINK)
      .filter((target) => !existsSync(join(packageRoot(), path, '..', target)))
      .map((target) => `${path}: ${target}`),
  );
  expect(broken).toEqual([]);
});

test('every npm script that the documentation names exists', async () => {
  const scripts = Object.keys(
    (await import('../../package.json', { with: { type: 'json' } })).default.scripts,
  );
  const unknown = pages.flatMap(({ path, text }) =>
    matches(text, NPM_SCRIPT)
      .filter((name) => !scripts.includes(name))
      .map((name) => `${path}: ${name}`),
  );
  expect(unknown).toEqual([]);
});

test('decisions are numbered without a gap', async () => {
  const files = await readdir(join(packageRoot(), 'docs', 'decisions'));
  const numbers = files.toSorted().map((file) => Number(file.slice(0, 4)));
  expect(numbers).toEqual(numbers.map((_, i) => i + 1));
});

function matches(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, found = '']) => found);
}
