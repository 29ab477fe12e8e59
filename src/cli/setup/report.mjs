import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout. `import.meta.dirname` would be shorter, but an old Node must get as far as being told so. */
export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');

/** Something the reader can put right; its message says how. */
export class SetupError extends Error {}

/**
 * Progress for a person: `ok` for what was already there (silent with --quiet), `work` for what takes time.
 * @param {{ quiet: boolean }} options
 */
export function createReport({ quiet }) {
  const line = (topic, text) => console.log(`  ${topic.padEnd(10)}${text}`);
  return {
    ok: (topic, text) => {
      if (!quiet) line(topic, text);
    },
    work: line,
  };
}

/**
 * Runs a command in the checkout with its output shown. Throws a SetupError that carries `advice`.
 * @param {string} command
 * @param {string[]} args
 * @param {{ advice: string, env?: NodeJS.ProcessEnv }} options
 */
export function run(command, args, { advice, env = process.env }) {
  const { status, signal, error } = spawnSync(command, args, { cwd: ROOT, stdio: 'inherit', env });
  if (status === 0) return;
  const ending = error?.message ?? (signal === null ? `exit code ${status}` : `signal ${signal}`);
  throw new SetupError(`\`${[command, ...args].join(' ')}\` failed (${ending}).\n${advice}`);
}

/** Seconds since `start`, for a person. */
export function elapsed(start) {
  return `${((Date.now() - start) / 1000).toFixed(1)} s`;
}
