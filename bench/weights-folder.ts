/** Room for the weights of full-size networks in the temporary folder, given back however the bench ends but by SIGKILL. */
import { rmSync } from 'node:fs';
import { mkdtemp, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const GB = 1e9;

/** @throws Error when the disk has less than `bytes` free */
export async function inWeightsFolder<Result>(
  bytes: number,
  use: (folder: string) => Promise<Result>,
): Promise<Result> {
  const { bavail, bsize } = await statfs(tmpdir());
  const free = bavail * bsize;
  if (free < bytes) throw new Error(`${tmpdir()} has ${inGb(free)} free, the bench needs ${inGb(bytes)}`);
  const folder = await mkdtemp(join(tmpdir(), 'kiln-bench-'));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  // A signal ends the process between two runs of a network, without a way back through `finally`.
  process.once('exit', remove);
  try {
    return await use(folder);
  } finally {
    process.off('exit', remove);
    remove();
  }
}

function inGb(bytes: number): string {
  return `${(bytes / GB).toFixed(1)} GB`;
}
