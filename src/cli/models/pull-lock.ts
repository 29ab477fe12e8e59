/**
 * One pull of a model at a time: a file that exists while somebody pulls. Its holder touches it again and again, so a
 * lock that was left behind is known by its age, or at once where its process was on this machine and is gone.
 */
import { randomUUID } from 'node:crypto';
import { link, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';

const SECOND = 1_000;
const TOUCH_MS = 10 * SECOND;
const STALE_MS = 60 * SECOND;

export interface PullLock {
  /** Aborts when somebody else took the lock: this process must have been frozen for long. */
  readonly lost: AbortSignal;
  release(): Promise<void>;
}

/**
 * @param touchMs between two touches
 * @throws Error that says who pulls, and what to do if nobody does
 */
export async function takeLock(path: string, touchMs = TOUCH_MS): Promise<PullLock> {
  const mark = `${process.pid} ${hostname()} ${randomUUID()}\n`;
  while (!(await create(path, mark))) {
    const held = await readFile(path, 'utf8').catch(gone);
    if (held === null) continue;
    if (!(await isStale(path, held)))
      throw new Error(
        `another \`kiln models pull\` (${nameOf(held)}) fetches this model; wait for it, or delete ${path} if ` +
          `there is none`,
      );
    await evict(path, held);
  }
  return hold(path, mark, touchMs);
}

function hold(path: string, mark: string, touchMs: number): PullLock {
  const lost = new AbortController();
  const isMine = async (): Promise<boolean> => (await readFile(path, 'utf8').catch(gone)) === mark;
  const touch = async (): Promise<void> => {
    if (await isMine()) await utimes(path, new Date(), new Date()).catch(gone);
    else lost.abort(new Error(`${path} was taken by another \`kiln models pull\``));
  };
  const timer = setInterval(() => void touch().catch((error: unknown) => lost.abort(error)), touchMs);
  return {
    lost: lost.signal,
    release: async () => {
      clearInterval(timer);
      if (await isMine()) await rm(path, { force: true });
    },
  };
}

async function create(path: string, mark: string): Promise<boolean> {
  try {
    await writeFile(path, mark, { flag: 'wx' });
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  }
}

async function isStale(path: string, held: string): Promise<boolean> {
  const [pid, host] = held.split(' ');
  if (host === hostname() && !isRunning(Number(pid))) return true;
  const touched = await stat(path).then(({ mtimeMs }) => mtimeMs, gone);
  return touched !== null && Date.now() - touched > STALE_MS;
}

/**
 * Two processes may find the same stale lock. What one of them moves away may by then be the other's new lock, which
 * is then put back.
 */
async function evict(path: string, held: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  await rename(path, aside).catch(gone);
  const moved = await readFile(aside, 'utf8').catch(gone);
  if (moved !== null && moved !== held) await link(aside, path).catch(gone);
  await rm(aside, { force: true });
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // It runs, but belongs to somebody else.
    return hasCode(error, 'EPERM');
  }
}

function nameOf(held: string): string {
  const [pid, host] = held.split(' ');
  return host === undefined ? 'it has just begun' : `process ${pid} on ${host}`;
}

/** For files that another process may take away at any moment. */
function gone(error: unknown): null {
  if (hasCode(error, 'ENOENT') || hasCode(error, 'EEXIST')) return null;
  throw error;
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
