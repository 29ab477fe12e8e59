/**
 * The decode child: hostile files are decoded here, in a process without secrets that nobody misses. It takes one file
 * at a time, and ends when its parent does.
 */
import { memoryUsage } from 'node:process';
import { RefusedImageError } from '../refused-image-error.ts';
import { canonicalPng } from './canonical-png.ts';
import type { DecodeAnswer } from './protocol.ts';

/** The largest image needs some 400 MB with its copies. Decoding runs on other threads, so the watch goes on. */
const MEMORY_BYTES = 1024 * 1024 * 1024;
const WATCH_MS = 50;

process.on('message', (file) => void answer(file));
process.on('disconnect', () => process.exit(0));
// Ctrl-C reaches the whole process group; the parent may still want the answer.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);

setInterval(() => {
  if (memoryUsage.rss() > MEMORY_BYTES) process.exit(1);
}, WATCH_MS);

/** Errors that are no refusal end the process: the parent calls that a file which could not be decoded. */
async function answer(file: unknown): Promise<void> {
  if (!(file instanceof Uint8Array)) throw new Error('a decode child is given files and nothing else');
  process.send?.(await decoded(file));
}

async function decoded(file: Uint8Array): Promise<DecodeAnswer> {
  try {
    return { kind: 'image', ...(await canonicalPng(file)) };
  } catch (error) {
    if (!(error instanceof RefusedImageError)) throw error;
    return { kind: 'refused', message: error.message, limit: error.limit };
  }
}
