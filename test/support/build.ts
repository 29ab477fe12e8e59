/** Before the tests: dist/ as the sources are now. Tests that start processes of the farm run what users run. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '../../src/paths.ts';

export default async function build(): Promise<void> {
  const root = packageRoot();
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  try {
    await promisify(execFile)(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { cwd: root });
  } catch (error) {
    const output = error instanceof Error && 'stdout' in error ? String(error.stdout) : '';
    throw new Error(`dist/ could not be built from the sources:\n${output}`, { cause: error });
  }
}
