import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, elapsed, run } from './report.mjs';

const STAMP = join(ROOT, 'node_modules', '.kiln-packages');

/**
 * `npm ci`, unless node_modules came from this very lock file on this platform. The committed .npmrc turns
 * install scripts off: nothing that is downloaded runs here.
 */
export function installPackagesIfChanged(report) {
  const wanted = fingerprint();
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === wanted) {
    report.ok('packages', 'installed');
    return;
  }
  const start = Date.now();
  report.work('packages', 'installing (about 200 MB to download the first time)');
  rmSync(STAMP, { force: true });
  // NODE_ENV=production would leave out the compiler that the build needs.
  run('npm', ['ci', '--include=dev', '--loglevel=error'], {
    advice: 'Is the npm registry reachable? `npm config get registry` names it.',
  });
  writeFileSync(STAMP, wanted);
  report.work('packages', `installed in ${elapsed(start)}`);
}

function fingerprint() {
  const lock = readFileSync(join(ROOT, 'package-lock.json'));
  return createHash('sha256').update(lock).update(`${process.platform}-${process.arch}`).digest('hex');
}
