/**
 * A file that is on its way: what has come so far lies beside its final place, under a name that holds the checksum,
 * so that a later run goes on only from bytes of the same content.
 */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { HubFile } from './hub.ts';

const NAME_CHARS = 16;

export class PartialFile {
  readonly #file: HubFile;
  readonly #path: string;
  readonly #finalPath: string;
  readonly #handle: FileHandle;
  #hash: Hash;
  #bytes = 0;

  private constructor(file: HubFile, folder: string, handle: FileHandle) {
    this.#file = file;
    this.#path = partialPath(file, folder);
    this.#finalPath = join(folder, file.path);
    this.#handle = handle;
    this.#hash = startHash(file);
  }

  /** Hashes what an earlier run left. */
  static async open(file: HubFile, folder: string): Promise<PartialFile> {
    const path = partialPath(file, folder);
    await mkdir(dirname(path), { recursive: true });
    const partial = new PartialFile(file, folder, await open(path, 'a'));
    const left = (await stat(path)).size;
    if (left > file.bytes) await partial.clear();
    else if (left > 0) {
      partial.#bytes = left;
      for await (const chunk of createReadStream(path)) partial.#hash.update(bytesOf(chunk));
    }
    return partial;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get isRight(): boolean {
    return this.#bytes === this.#file.bytes && this.#hash.copy().digest('hex') === this.#file.checksum.hex;
  }

  async append(chunk: Uint8Array): Promise<void> {
    try {
      await this.#handle.appendFile(chunk);
    } catch (cause) {
      if (cause instanceof Error && 'code' in cause && cause.code === 'ENOSPC')
        throw new Error(`${this.#path}: the disk is full; what has come stays for the next run`, { cause });
      throw cause;
    }
    this.#hash.update(chunk);
    this.#bytes += chunk.length;
  }

  async clear(): Promise<void> {
    await this.#handle.truncate(0);
    this.#hash = startHash(this.#file);
    this.#bytes = 0;
  }

  /** The bytes are on the disk before the name says that they are right. */
  async finish(): Promise<void> {
    await this.#handle.sync();
    await this.close();
    await rename(this.#path, this.#finalPath);
  }

  async remove(): Promise<void> {
    await this.close();
    await rm(this.#path, { force: true });
  }

  /** What has come stays for the next run. */
  async close(): Promise<void> {
    await this.#handle.close();
  }
}

/** Whether the file lies in its final place with the content that the hub lists. */
export async function isComplete(file: HubFile, folder: string): Promise<boolean> {
  const path = join(folder, file.path);
  const size = await sizeOf(path);
  if (size !== file.bytes) return false;
  const hash = startHash(file);
  for await (const chunk of createReadStream(path)) hash.update(bytesOf(chunk));
  return hash.digest('hex') === file.checksum.hex;
}

/** Bytes that need not come again, if they are what they should be. */
export async function bytesPresent(file: HubFile, folder: string): Promise<number> {
  const sizes = await Promise.all([join(folder, file.path), partialPath(file, folder)].map(sizeOf));
  return Math.min(file.bytes, Math.max(...sizes));
}

function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}

function partialPath({ path, checksum }: HubFile, folder: string): string {
  return join(folder, `${path}.${checksum.hex.slice(0, NAME_CHARS)}.part`);
}

/** Git's blob id is a SHA-1 over a header and the content. */
function startHash({ bytes, checksum }: HubFile): Hash {
  return checksum.kind === 'sha256' ? createHash('sha256') : createHash('sha1').update(`blob ${bytes}\0`);
}

function bytesOf(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk;
  throw new TypeError('a file stream without an encoding gives bytes');
}
