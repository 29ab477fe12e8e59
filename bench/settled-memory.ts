import { setImmediate as turn } from 'node:timers/promises';
import { privateMemory } from '../workers/render/engine/free-memory.ts';

/**
 * Bytes of private memory without garbage: results of runs lie outside of the heap, in pieces of megabytes, until they
 * are collected. Exact only in a process that was started with --expose-gc.
 */
export async function settledMemory(): Promise<number> {
  for (let i = 0; i < 2; i += 1) {
    globalThis.gc?.();
    // What was collected is freed in a turn of its own.
    await turn();
  }
  return privateMemory();
}
