/** A model's repository on a hub: its commit, its files with their checksums, their bytes. */
import { listFiles, modelInfo, type ListFileEntry } from '@huggingface/hub';
import { askHub, type HubAccess, type HubAnswer } from './hub-request.ts';
import { retrying, TransientError, type RetryOptions } from './retry.ts';

const COMMIT = /^[0-9a-f]{40,64}$/;

/** How the hub names a file's content: large files by their SHA-256, small ones by git's blob id. */
export type Checksum =
  | { readonly kind: 'sha256'; readonly hex: string }
  | { readonly kind: 'git'; readonly hex: string };

export interface HubFile {
  /** Within the repository. */
  readonly path: string;
  readonly bytes: number;
  readonly checksum: Checksum;
}

export interface HubBody {
  /** The offset that was asked for, or 0 from a server that knows no ranges. */
  readonly start: number;
  readonly chunks: AsyncIterable<Uint8Array>;
}

export class Hub {
  readonly #access: HubAccess;
  readonly #retry: RetryOptions;

  constructor(access: HubAccess, retry: RetryOptions) {
    this.#access = access;
    this.#retry = retry;
  }

  /** The commit that a branch, a tag or a commit's beginning stands for now. */
  async commitOf(revision: string): Promise<string> {
    const { endpoint: hubUrl, id: name } = this.#access;
    const { sha } = await modelInfo({
      name,
      revision,
      hubUrl,
      additionalFields: ['sha'],
      fetch: this.#fetch,
    });
    // It becomes part of URLs.
    if (!COMMIT.test(sha)) throw new Error(`${hubUrl} names no commit for ${name} at ${revision}`);
    return sha;
  }

  async files(commit: string): Promise<Map<string, HubFile>> {
    const { endpoint: hubUrl, id: name } = this.#access;
    const files = new Map<string, HubFile>();
    const repo = { type: 'model', name } as const;
    for await (const entry of listFiles({
      repo,
      revision: commit,
      recursive: true,
      hubUrl,
      fetch: this.#fetch,
    }))
      if (entry.type === 'file') files.set(entry.path, fileOf(entry));
    return files;
  }

  /**
   * One attempt. Plain HTTP serves every file, those in Xet storage too.
   * @param offset bytes that are already here
   */
  async open({ path, bytes, checksum }: HubFile, commit: string, offset: number): Promise<HubBody> {
    const { endpoint, id } = this.#access;
    const url = `${endpoint}/${id}/resolve/${commit}/${path.split('/').map(encodeURIComponent).join('/')}`;
    const answer = await askHub(this.#access, url, {
      // A range of compressed bytes is not a range of the file's.
      'accept-encoding': 'identity',
      ...(offset > 0 ? { range: `bytes=${offset}-` } : {}),
    });
    try {
      refuseOtherContent({ path, checksum }, answer.linkedEtag);
      return { start: startOf(answer, { path, bytes, offset }), chunks: answer.chunks };
    } catch (error) {
      await answer.discard();
      throw error;
    }
  }

  /** For the client library, which sees answers that are whole and good; the token stays on our side of it. */
  readonly #fetch: typeof fetch = (input, init) =>
    retrying(async () => {
      const url = input instanceof Request ? input.url : String(input);
      const headersSent = Object.fromEntries(new Headers(init?.headers));
      const { status, headers, chunks } = await askHub(this.#access, url, headersSent);
      const parts: Uint8Array[] = [];
      for await (const chunk of chunks) parts.push(chunk);
      return new Response(Buffer.concat(parts), { status, headers });
    }, this.#retry);
}

function fileOf({ path, size, oid, lfs }: ListFileEntry): HubFile {
  if (lfs !== undefined) return { path, bytes: lfs.size, checksum: { kind: 'sha256', hex: lfs.oid } };
  if (oid === undefined) throw new Error(`${path}: the hub lists it without a checksum`);
  return { path, bytes: size, checksum: { kind: 'git', hex: oid } };
}

/** Hours before the checksum would say so. Mirrors may name other things in this header, which say nothing. */
function refuseOtherContent({ path, checksum }: Omit<HubFile, 'bytes'>, linkedEtag: string | null): void {
  const served = /^(?:W\/)?"?([0-9a-f]{64})"?$/.exec(linkedEtag ?? '')?.[1];
  if (checksum.kind === 'sha256' && served !== undefined && served !== checksum.hex)
    throw new Error(`${path}: the hub lists it with SHA-256 ${checksum.hex} and serves ${served}`);
}

function startOf(
  { status, headers }: HubAnswer,
  { path, bytes, offset }: { path: string; bytes: number; offset: number },
): number {
  if (offset === 0 || status === 200) return 0;
  const range = headers.get('content-range');
  if (range === `bytes ${offset}-${bytes - 1}/${bytes}`) return offset;
  throw new TransientError(`${path}: asked for the bytes from ${offset} of ${bytes}, got ${range ?? 'none'}`);
}
