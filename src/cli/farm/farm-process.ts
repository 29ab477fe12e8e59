import { fork, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { packageRoot } from '../../paths.ts';

/** In the order of their start; they stop in the reverse one, so the API closes before the rest. */
export const FARM_PROCESSES = ['courier', 'bulk', 'render', 'api'] as const;
export type FarmProcessName = (typeof FARM_PROCESSES)[number];

const FOLDERS: Readonly<Record<FarmProcessName, string>> = {
  api: 'api',
  render: 'workers/render',
  bulk: 'workers/bulk',
  courier: 'workers/courier',
};

/** Starts one process of the farm from its compiled code, in a process group of its own. */
export function forkFarmProcess(
  name: FarmProcessName,
  options: { environment: NodeJS.ProcessEnv; output: 'inherit' | 'pipe' },
): ChildProcess {
  const dist = join(packageRoot(), 'dist');
  const leash = pathToFileURL(join(dist, 'src', 'cli', 'farm', 'leash.js')).href;
  return fork(join(dist, FOLDERS[name], 'main.js'), [], {
    env: options.environment,
    execArgv: ['--import', leash],
    stdio: ['ignore', options.output, options.output, 'ipc'],
    detached: true,
  });
}

/** Resolves with the first word of a process that it is usable: `listening` from the API, `ready` from others. */
export function farmProcessReady(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.on('message', (message) => {
      if (isReadiness(message)) resolve();
    });
  });
}

function isReadiness(message: unknown): boolean {
  if (typeof message !== 'object' || message === null || !('kind' in message)) return false;
  return message.kind === 'listening' || message.kind === 'ready';
}
