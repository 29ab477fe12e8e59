/**
 * A measurement in a process of its own, set up as an engine is. What it holds in memory then began with nothing, and
 * it can be watched and ended at any time, though a network's run blocks its thread for up to half a minute.
 */
import { fork } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { env } from 'node:process';
import type { Static, TSchema } from 'typebox';
import { Parse } from 'typebox/value';
import { packageRoot } from '../src/paths.ts';
import { ALLOCATOR } from '../workers/render/engine-process.ts';

const LAST_WORDS = 2_000;
const WATCH_MS = 20;
const KiB = 1024;

export interface Child<Answer> {
  readonly answer: Answer;
  /** Bytes of private memory, the most that was seen; 0 where the system does not tell. */
  readonly peak: number;
}

/**
 * @param entry below bench/; it calls `answerParent` once
 * @throws Error with the child's last words when it ends without an answer
 */
export async function inChild<Answer extends TSchema>(
  entry: string,
  args: readonly string[],
  answer: Answer,
): Promise<Child<Static<Answer>>> {
  const child = fork(join(packageRoot(), 'bench', entry), args, {
    cwd: packageRoot(),
    env: { ...ALLOCATOR, ...env },
    execArgv: ['--import', 'tsx', '--expose-gc'],
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
  });
  const kill = (): boolean => child.kill('SIGKILL');
  process.once('exit', kill);
  let peak = 0;
  const watch = setInterval(() => {
    void privateBytesOf(child.pid).then((bytes) => (peak = Math.max(peak, bytes)));
  }, WATCH_MS);
  let words = '';
  child.stderr?.on('data', (chunk: Buffer) => (words = (words + chunk.toString()).slice(-LAST_WORDS)));
  try {
    const message = await new Promise<unknown>((resolve, reject) => {
      child.once('message', resolve);
      // When all it wrote has been read, too.
      child.once('close', (code, signal) =>
        reject(new Error(`bench/${entry} ended with ${signal ?? code}: ${words}`)),
      );
    });
    return { answer: Parse(answer, message), peak };
  } finally {
    clearInterval(watch);
    process.off('exit', kill);
    kill();
  }
}

/** The other end: measures, says what came out, and ends; at the next turn, too, when its parent is gone. */
export async function answerParent(measure: () => Promise<object>): Promise<void> {
  process.once('disconnect', () => process.exit(1));
  const answer = await measure();
  process.send?.(answer, () => process.disconnect());
}

async function privateBytesOf(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * KiB;
}
