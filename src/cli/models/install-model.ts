/** The last step of a pull: one folder takes a name, and perhaps the place of another. All within one file system. */
import { lstat, rename, rm } from 'node:fs/promises';

/**
 * A reader finds the old model or the new one, but for the moment between two renames: no file system call that
 * Node has swaps two folders. A process that dies in that moment leaves the old model at `aside`.
 */
export async function installModel(folder: string, target: string, aside: string): Promise<void> {
  const isReplacing = await isThere(target);
  if (isReplacing) await rename(target, aside);
  try {
    await rename(folder, target);
  } catch (error) {
    if (isReplacing) await rename(aside, target);
    throw error;
  }
  await rm(aside, { recursive: true, force: true });
}

/** Ends a replacement that was cut off: the old model comes back unless the new one has its place already. */
export async function recoverModel(target: string, aside: string): Promise<void> {
  if (!(await isThere(aside))) return;
  if (await isThere(target)) await rm(aside, { recursive: true });
  else await rename(aside, target);
}

/** A link that leads nowhere is there, too: it holds the name. */
export function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}
