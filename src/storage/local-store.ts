import { randomUUID } from 'node:crypto';
import { mkdir, open, readFile, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { checkKey, folderOf, PARTIAL } from './key-rules.ts';
import type { ObjectStart, ObjectStore } from './object-store.ts';
import { StoreError } from './store-error.ts';

/**
 * Objects as files below one folder. A put that returned survives a power failure: the bytes and the name are both
 * flushed. A process killed in between leaves a partial file that no key can name.
 */
export class LocalStore implements ObjectStore {
  readonly #root: string;

  constructor(root: string) {
    this.#root = resolve(root);
  }

  async put(key: string, bytes: Uint8Array, _contentType: string): Promise<void> {
    const path = this.#path(key);
    const folder = dirname(path);
    const partial = join(folder, `${PARTIAL}${randomUUID()}`);
    try {
      await this.#makeFolder(folder);
      await writeFlushed(partial, bytes);
      await rename(partial, path);
      await flushFolder(folder);
    } catch (error) {
      await rm(partial, { force: true }).catch(() => undefined);
      throw new StoreError({ key, done: 'written' }, error);
    }
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    const path = this.#path(key);
    try {
      return await readFile(path);
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw new StoreError({ key, done: 'read' }, error);
    }
  }

  async getStart(key: string, length: number): Promise<ObjectStart | undefined> {
    const path = this.#path(key);
    try {
      return await readStart(path, length);
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw new StoreError({ key, done: 'read' }, error);
    }
  }

  async touch(key: string): Promise<boolean> {
    const path = this.#path(key);
    const now = new Date();
    try {
      await utimes(path, now, now);
      return true;
    } catch (error) {
      if (isAbsent(error)) return false;
      throw new StoreError({ key, done: 'touched' }, error);
    }
  }

  async list(prefix: string): Promise<string[]> {
    const folder = this.#path(folderOf(prefix));
    try {
      const entries = await readdir(folder, { recursive: true, withFileTypes: true });
      return entries
        .filter((entry) => entry.isFile() && !entry.name.startsWith(PARTIAL))
        .map((entry) => relative(this.#root, join(entry.parentPath, entry.name)).split(sep).join('/'));
    } catch (error) {
      if (isAbsent(error)) return [];
      throw new StoreError({ subject: 'folder', key: prefix, done: 'listed' }, error);
    }
  }

  async delete(key: string): Promise<void> {
    const path = this.#path(key);
    try {
      await rm(path, { force: true });
    } catch (error) {
      if (isAbsent(error)) return;
      throw new StoreError({ key, done: 'deleted' }, error);
    }
  }

  async deleteUnused(prefix: string, ageMs: number): Promise<number> {
    const oldest = Date.now() - ageMs;
    let count = 0;
    for (const key of await this.list(prefix)) {
      const file = await stat(this.#path(key)).catch(unlessAbsent);
      if (file === undefined || file.mtimeMs > oldest) continue;
      await this.delete(key);
      count++;
    }
    return count;
  }

  /** A folder has no addresses of its own: the API sends the bytes. */
  signLink(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  #path(key: string): string {
    checkKey(key);
    return join(this.#root, ...key.split('/'));
  }

  /** Creates the folder, and flushes the entry of every folder it made in the one above. */
  async #makeFolder(folder: string): Promise<void> {
    const firstMade = await mkdir(folder, { recursive: true });
    if (firstMade === undefined) return;
    for (let made = folder; made.length >= firstMade.length; made = dirname(made)) {
      await flushFolder(dirname(made));
    }
  }
}

async function writeFlushed(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function readStart(path: string, length: number): Promise<ObjectStart> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const start = Buffer.alloc(Math.min(length, size));
    const { bytesRead } = await file.read(start, 0, start.length, 0);
    return { start: start.subarray(0, bytesRead), size };
  } finally {
    await file.close();
  }
}

async function flushFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** No such file, or a file where the key wants a folder. */
function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}

function unlessAbsent(error: unknown): undefined {
  if (!isAbsent(error)) throw error;
}
