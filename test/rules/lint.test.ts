/** A linter that is silent by mistake looks like clean code: every rule is shown a fault and must name it. */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { packageRoot } from '../../src/paths.ts';
import { PLANTED_FAULTS, RIGHT_WAY } from './planted.ts';

interface Finding {
  readonly filename: string;
  readonly code?: string;
}

let folder: string;
let findings: readonly Finding[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kiln-lint-'));
  for (const name of ['.oxlintrc.json', 'tsconfig.json'])
    await cp(join(packageRoot(), name), join(folder, name));
  await symlink(join(packageRoot(), 'node_modules'), join(folder, 'node_modules'));
  for (const { file, source } of [...PLANTED_FAULTS, ...RIGHT_WAY]) {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await writeFile(join(folder, file), `${source}\n`);
  }
  findings = await lint(folder);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

test('the planted files are distinct', () => {
  const files = [...PLANTED_FAULTS, ...RIGHT_WAY].map(({ file }) => file);
  expect(new Set(files).size).toBe(files.length);
});

test.each(PLANTED_FAULTS)('$rule objects to $file', ({ file, rule }) => {
  const rules = findings.filter(({ filename }) => filename === file).map(({ code }) => code);
  expect(rules).toContain(rule);
});

test.each(RIGHT_WAY)('nothing objects to the import in $file', ({ file }) => {
  expect(findings.filter(({ filename }) => filename === file)).toEqual([]);
});

/** oxlint exits with 1 when it finds something, which is what is hoped for here. */
async function lint(cwd: string): Promise<readonly Finding[]> {
  const oxlint = join(packageRoot(), 'node_modules', 'oxlint', 'bin', 'oxlint');
  const outcome: unknown = await promisify(execFile)(process.execPath, [oxlint, '--format', 'json'], {
    cwd,
    maxBuffer: 64 * 1024 * 1024,
  }).catch((error: unknown) => error);
  if (!hasStdout(outcome)) throw new Error('oxlint could not be run', { cause: outcome });
  const report: unknown = JSON.parse(outcome.stdout);
  if (!hasFindings(report)) throw new Error('oxlint wrote another report than expected');
  return report.diagnostics;
}

function hasFindings(report: unknown): report is { diagnostics: Finding[] } {
  return typeof report === 'object' && report !== null && 'diagnostics' in report;
}

function hasStdout(outcome: unknown): outcome is { stdout: string } {
  return typeof outcome === 'object' && outcome !== null && 'stdout' in outcome;
}
