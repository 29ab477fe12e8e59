/** Peaks of memory, from /proc: on Linux; elsewhere 0. */
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

const WATCH_MS = 20;

/** KiB that the process had at most, so far. */
export function peakKiB(pid: number): number {
  return Number(/VmHWM:\s+(\d+) kB/.exec(read(`/proc/${pid}/status`))?.[1] ?? 0);
}

/** Watches the children of a process until the signal aborts; gives the peak of the largest, in KiB. */
export async function largestChildKiB(pid: number, signal: AbortSignal): Promise<number> {
  let largest = 0;
  while (!signal.aborted) {
    for (const child of childrenOf(pid)) largest = Math.max(largest, peakKiB(child));
    await pause(WATCH_MS, undefined, { signal }).catch(() => undefined);
  }
  return largest;
}

function childrenOf(pid: number): number[] {
  return read(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number);
}

/** Empty when the process has gone. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
