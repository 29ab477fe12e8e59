/**
 * Which of a file's pages the kernel holds in memory. Node can neither ask nor tell; GNU dd and fincore of util-linux
 * can, without touching what belongs to anybody else.
 */
import { execFile } from 'node:child_process';
import { open } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Asks the kernel to drop the files' pages. It keeps those that are mapped. */
export async function dropFromPageCache(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    // Pages that are not on the disk yet cannot be dropped.
    const handle = await open(path);
    await handle.sync();
    await handle.close();
    // Reads nothing: the flag alone makes dd advise the kernel about the whole file.
    await run('dd', [`if=${path}`, 'iflag=nocache', 'count=0', 'status=none']);
  }
}

/** From 0, none of the files' bytes, to 1. */
export async function cachedShare(paths: readonly string[]): Promise<number> {
  const columns = ['--bytes', '--noheadings', '--raw', '--output', 'RES,SIZE'];
  const { stdout } = await run('fincore', [...columns, ...paths]);
  return parseCachedShare(stdout);
}

/** @param table of fincore: bytes held and bytes in all, a line per file */
export function parseCachedShare(table: string): number {
  const rows = table
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number));
  const total = (column: number): number => rows.reduce((sum, row) => sum + (row[column] ?? Number.NaN), 0);
  return total(0) / total(1);
}
