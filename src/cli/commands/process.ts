import { Command } from 'commander';
import { constants } from 'node:os';
import { forkFarmProcess, type FarmProcessName } from '../farm/farm-process.ts';

const DESCRIPTIONS = {
  api: 'run the HTTP API',
  render: 'run a render worker: one device, one engine',
  courier: 'run the courier: it archives finished jobs and finds lost ones',
} as const satisfies Partial<Record<FarmProcessName, string>>;

/** `kiln api`, `kiln render`, `kiln courier`: one process of a fleet, in the foreground. `kiln bulk` is in `bulk.ts`. */
export function processCommand(name: keyof typeof DESCRIPTIONS): Command {
  return new Command(name).description(DESCRIPTIONS[name]).action(() => runInForeground(name));
}

/** Hands on the signals that ask for an end, and ends as the process ended. */
export async function runInForeground(name: FarmProcessName): Promise<void> {
  const child = forkFarmProcess(name, { environment: process.env, output: 'inherit' });
  // The child has a process group of its own, so a Ctrl-C reaches it once, from here.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
  process.exitCode = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) =>
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
    );
  });
}
