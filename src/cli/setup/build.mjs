import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, elapsed, run } from './report.mjs';

const DIST = join(ROOT, 'dist');
const STAMP = join(DIST, '.kiln-build');
const SOURCES = ['src', 'api', 'workers', 'package.json', 'tsconfig.json', 'tsconfig.build.json'];

/**
 * Compiles to dist when a source is not the one it was built from. The new tree takes the old one's place as
 * a whole, so outputs of deleted sources go, and a failed build leaves the old one usable.
 */
export function buildIfChanged(report) {
  const wanted = fingerprint();
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === wanted) {
    report.ok('build', 'up to date');
    return;
  }
  const start = Date.now();
  const fresh = `${DIST}.${process.pid}`;
  const compiler = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  try {
    run(process.execPath, [compiler, '-p', 'tsconfig.build.json', '--outDir', fresh], {
      advice: 'The sources do not compile; the errors stand above.',
    });
    writeFileSync(join(fresh, '.kiln-build'), wanted);
    rmSync(DIST, { recursive: true, force: true });
    renameSync(fresh, DIST);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
  report.ok('build', `compiled in ${elapsed(start)}`);
}

/** Names, sizes and times of all sources: cheap, and it changes when a file is edited, added or deleted. */
function fingerprint() {
  const hash = createHash('sha256');
  for (const path of SOURCES.flatMap((name) => filesIn(join(ROOT, name)))) {
    const { size, mtimeMs } = statSync(path);
    hash.update(`${path} ${size} ${mtimeMs}\n`);
  }
  return hash.digest('hex');
}

/** @returns {string[]} the file itself, or every file below the folder, in a fixed order */
function filesIn(path) {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .toSorted()
    .flatMap((name) => filesIn(join(path, name)));
}
