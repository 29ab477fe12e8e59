/**
 * A hub and its storage on two ports, over HTTP as the real ones answer: the hub knows commits, trees and redirects,
 * the storage serves large files with ranges. Faults are switched on per file.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

export const COMMIT = 'c0ffee'.repeat(7).slice(0, 40);
/** Entries of one answer about a tree: fewer than any model has files. */
const PAGE = 10;

interface Seen {
  readonly server: 'hub' | 'storage';
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

interface Blob {
  readonly content: Buffer;
  /** Weights lie in the storage, everything else on the hub itself. */
  readonly isLarge: boolean;
}

interface Refusal {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export class FakeHub {
  readonly endpoint: string;
  readonly seen: Seen[] = [];
  /** Path -> bytes after which the connection breaks, once. */
  readonly cuts = new Map<string, number>();
  /** Path -> bytes after which nothing more comes, and a function that is told so. */
  readonly stalls = new Map<string, { readonly after: number; readonly reached: () => void }>();
  /** Path -> what is served in its place, for as long as it is here. */
  readonly forgeries = new Map<string, Buffer>();
  /** Listed, and not there. */
  readonly missing = new Set<string>();
  /** Answers to the next requests to the hub, before it behaves. */
  readonly refusals: Refusal[] = [];
  /** Path -> the size that the tree gives. */
  readonly boasts = new Map<string, number>();
  knowsRanges = true;
  /** Without it nothing is served. */
  token: string | null = null;
  readonly #id: string;
  readonly #storage: string;
  readonly #blobs: Map<string, Blob>;

  private constructor(id: string, origins: { hub: string; storage: string }, blobs: Map<string, Blob>) {
    this.#id = id;
    this.endpoint = origins.hub;
    this.#storage = origins.storage;
    this.#blobs = blobs;
  }

  /** Publishes a folder as `main` of `id`. */
  static async start(id: string, folder: string): Promise<FakeHub> {
    const [hub, storage] = [await listen(), await listen()];
    const blobs = await readBlobs(folder);
    const fake = new FakeHub(id, { hub: originOf(hub), storage: originOf(storage) }, blobs);
    hub.on('request', (request, response) => fake.#answerHub(request, response));
    storage.on('request', (request, response) => fake.#answerStorage(request, response));
    onTestFinished(() => {
      for (const server of [hub, storage]) {
        server.closeAllConnections();
        server.close();
      }
    });
    return fake;
  }

  publish(path: string, content: Buffer | string): void {
    this.#blobs.set(path, { content: Buffer.from(content), isLarge: isLarge(path) });
  }

  unpublish(path: string): void {
    this.#blobs.delete(path);
  }

  contentOf(path: string): Buffer {
    const blob = this.#blobs.get(path);
    if (blob === undefined) throw new Error(`${path} is not published`);
    return blob.content;
  }

  /** Ranges asked of the storage for a file; undefined for a request without one. */
  rangesOf(path: string): (string | undefined)[] {
    return this.seen
      .filter(({ server, path: asked }) => server === 'storage' && asked.endsWith(`/${path}`))
      .map(({ range }) => range);
  }

  #answerHub(request: IncomingMessage, response: ServerResponse): void {
    const url = this.#note('hub', request);
    const refusal = this.refusals.shift();
    if (refusal !== undefined) return refuse(response, refusal);
    if (this.token !== null && request.headers.authorization !== `Bearer ${this.token}`)
      return refuse(response, { status: 401, headers: { 'x-error-code': 'GatedRepo' } });
    const api = `/api/models/${this.#id}`;
    if (url.pathname === `${api}/revision/main` || url.pathname === `${api}/revision/${COMMIT}`)
      return sendJson(response, {
        _id: '1',
        id: this.#id,
        lastModified: '2026-01-01T00:00:00Z',
        sha: COMMIT,
      });
    if (url.pathname.startsWith(`${api}/revision/`))
      return refuse(response, { status: 404, headers: { 'x-error-code': 'RevisionNotFound' } });
    if (url.pathname === `${api}/tree/${COMMIT}`) return this.#sendTree(url, response);
    const files = `/${this.#id}/resolve/${COMMIT}/`;
    if (url.pathname.startsWith(files))
      return this.#resolve(url.pathname.slice(files.length), request, response);
    refuse(response, { status: 401, headers: { 'x-error-code': 'RepoNotFound' } });
  }

  #sendTree(url: URL, response: ServerResponse): void {
    const from = Number(url.searchParams.get('cursor') ?? 0);
    const entries = [...this.#blobs].map(([path, { content, isLarge: inStorage }]) => {
      const size = this.boasts.get(path) ?? content.length;
      const oid = gitId(content);
      const lfs = { oid: sha256(content), size, pointerSize: 130 };
      return { type: 'file', path, size, oid, ...(inStorage ? { lfs } : {}) };
    });
    if (from + PAGE < entries.length) {
      url.searchParams.set('cursor', String(from + PAGE));
      response.setHeader('link', `<${this.endpoint}${url.pathname}${url.search}>; rel="next"`);
    }
    sendJson(response, [
      { type: 'directory', path: 'unet', size: 0, oid: '0' },
      ...entries.slice(from, from + PAGE),
    ]);
  }

  #resolve(path: string, request: IncomingMessage, response: ServerResponse): void {
    const blob = this.#blobs.get(path);
    if (blob === undefined || this.missing.has(path))
      return refuse(response, { status: 404, headers: { 'x-error-code': 'EntryNotFound' } });
    if (!blob.isLarge) return this.#send(path, request, response);
    response.writeHead(302, {
      location: `${this.#storage}/signed/${path}`,
      'x-linked-etag': `"${sha256(blob.content)}"`,
      'x-linked-size': blob.content.length,
    });
    response.end();
  }

  #answerStorage(request: IncomingMessage, response: ServerResponse): void {
    const { pathname } = this.#note('storage', request);
    // As the real one: a link that carries its own signature and a token besides is a bad request.
    if (request.headers.authorization !== undefined) return refuse(response, { status: 400 });
    this.#send(pathname.slice('/signed/'.length), request, response);
  }

  #send(path: string, request: IncomingMessage, response: ServerResponse): void {
    const content = this.forgeries.get(path) ?? this.contentOf(path);
    const start = this.knowsRanges ? Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0) : 0;
    const isRange = this.knowsRanges && request.headers.range !== undefined;
    response.writeHead(isRange ? 206 : 200, {
      'content-length': content.length - start,
      ...(isRange ? { 'content-range': `bytes ${start}-${content.length - 1}/${content.length}` } : {}),
    });
    const cut = this.cuts.get(path);
    const stall = this.stalls.get(path);
    if (stall !== undefined) response.write(content.subarray(start, stall.after), stall.reached);
    else if (cut === undefined) response.end(content.subarray(start));
    else {
      this.cuts.delete(path);
      response.write(content.subarray(start, cut), () => response.destroy());
    }
  }

  #note(server: Seen['server'], { url: path = '', headers }: IncomingMessage): URL {
    this.seen.push({ server, path, range: headers.range, authorization: headers.authorization });
    return new URL(path, this.endpoint);
  }
}

async function readBlobs(folder: string): Promise<Map<string, Blob>> {
  const blobs = new Map<string, Blob>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    const path = file.slice(folder.length + 1);
    blobs.set(path, { content: await readFile(file), isLarge: isLarge(path) });
  }
  return blobs;
}

async function listen(): Promise<Server> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

function originOf(server: Server): string {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return `http://127.0.0.1:${address.port}`;
}

function refuse(response: ServerResponse, { status, headers = {} }: Refusal): void {
  response.writeHead(status, headers).end();
}

function sendJson(response: ServerResponse, body: unknown): void {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(body));
}

function isLarge(path: string): boolean {
  return /\.(?:safetensors|bin)$/.test(path);
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

function gitId(content: Buffer): string {
  return createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
}
