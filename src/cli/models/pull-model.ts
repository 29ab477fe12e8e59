/**
 * Fetches a published model into a folder of models. It grows in a hidden folder beside its place, is checked there,
 * and takes its name last: no worker ever sees half a model.
 */
import { mkdir, readdir, rm, rmdir, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { listProblems } from '../../../workers/render/onnx/errors.ts';
import { INDEX_FILE, readIndex } from '../../../workers/render/onnx/pipeline.ts';
import { verifyModelFolder } from '../../../workers/render/onnx/verify-model.ts';
import { checkConfigs } from './check-configs.ts';
import { fetchFile, type FetchOptions } from './fetch-file.ts';
import type { HubAccess } from './hub-request.ts';
import { Hub, type HubFile } from './hub.ts';
import { installModel, isThere, recoverModel } from './install-model.ts';
import { bytesPresent } from './partial-file.ts';
import { formatBytes, type PullDisplay } from './pull-display.ts';
import { takeLock } from './pull-lock.ts';
import { planPull, type PullPlan, type Variant } from './pull-plan.ts';
import type { RetryOptions } from './retry.ts';

/** Beside model_index.json: where the model came from. Nothing reads it but people and scripts. */
const SOURCE = 'kiln-source.json';

export interface PullRequest {
  readonly endpoint: string;
  readonly id: string;
  readonly token: string | null;
  readonly revision: string;
  readonly variant: Variant | undefined;
  /** The folder of models; made if it is not there. */
  readonly dir: string;
  /** The model's folder in it. */
  readonly name: string;
  /** Whether it may take the place of a model of that name. */
  readonly isForced: boolean;
}

export interface PullRun {
  readonly signal: AbortSignal;
  readonly display: PullDisplay;
  readonly firstWaitMs?: number;
}

export interface Pulled {
  readonly path: string;
  readonly commit: string;
  readonly files: number;
  readonly bytes: number;
}

/** The hidden folder in which a model grows, and from which a broken pull goes on. */
export function workFolder(dir: string, name: string): string {
  return join(dir, `.pull-${name}`);
}

/** @throws Error in words for the person who asked; what was fetched stays in the work folder for another try */
export async function pullModel(request: PullRequest, run: PullRun): Promise<Pulled> {
  const { dir, name, isForced } = request;
  const target = join(dir, name);
  const work = workFolder(dir, name);
  await mkdir(dir, { recursive: true });
  const lock = await takeLock(join(dir, `.lock-${name}`));
  try {
    await recoverModel(target, join(work, 'replaced'));
    if (!isForced && (await isThere(target)))
      throw new Error(`${target} is there already; choose another --name, or replace it with --force`);
    const signal = AbortSignal.any([run.signal, lock.lost]);
    return await new Pull(request, { ...run, signal }).run();
  } finally {
    run.display.close();
    // Fails where there is something to go on from.
    await rmdir(work).catch(() => undefined);
    await lock.release();
  }
}

class Pull {
  readonly #request: PullRequest;
  readonly #display: PullDisplay;
  readonly #retry: RetryOptions;
  readonly #hub: Hub;
  readonly #target: string;
  readonly #work: string;
  readonly #folder: string;

  constructor(request: PullRequest, { signal, display, firstWaitMs }: PullRun) {
    const { dir, name, endpoint, id, token } = request;
    this.#request = request;
    this.#display = display;
    this.#retry = { signal, notice: (line) => display.notice(line), firstWaitMs };
    const access: HubAccess = { endpoint, id, token, signal };
    this.#hub = new Hub(access, this.#retry);
    this.#target = join(dir, name);
    this.#work = workFolder(dir, name);
    this.#folder = join(this.#work, 'model');
  }

  async run(): Promise<Pulled> {
    const commit = await this.#hub.commitOf(this.#request.revision);
    const plan = await this.#plan(commit);
    const files = [...plan.configs, ...plan.weights];
    await this.#refuseLackOfSpace(files);
    await this.#fetchAll(plan, commit);
    await this.#dropOthers(files);
    await this.#writeSource(files, commit);
    await this.#verify();
    this.#retry.signal.throwIfAborted();
    await installModel(this.#folder, this.#target, join(this.#work, 'replaced'));
    return { path: this.#target, commit, files: files.length, bytes: total(files) };
  }

  /** Reads the index in a folder of its own: a repository that is refused leaves nothing behind. */
  async #plan(commit: string): Promise<PullPlan> {
    const { id, revision, variant } = this.#request;
    const published = await this.#hub.files(commit);
    const index = published.get(INDEX_FILE);
    if (index === undefined)
      throw new Error(
        `${id} at ${revision} has no ${INDEX_FILE}: Kiln takes models in the layout of diffusers, not single checkpoints`,
      );
    const folder = join(this.#work, 'index');
    try {
      const silently = (): void => undefined;
      await fetchFile(index, folder, this.#fetchOptions(commit, silently));
      return planPull((await readIndex(folder)).className, published, variant);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  async #refuseLackOfSpace(files: readonly HubFile[]): Promise<void> {
    const { dir } = this.#request;
    const { bavail, bsize } = await statfs(dir);
    const free = bavail * bsize;
    const needed = total(files) - (await this.#bytesHere(files));
    if (needed > free)
      throw new Error(
        `${dir} has ${formatBytes(free)} free and the model needs ${formatBytes(needed)} more: make room, or choose ` +
          `another --dir${this.#request.variant === 'fp16' ? '' : ', or --variant fp16 for half the size'}`,
      );
  }

  async #bytesHere(files: readonly HubFile[]): Promise<number> {
    const here = await Promise.all(files.map((file) => bytesPresent(file, this.#folder)));
    return here.reduce((sum, bytes) => sum + bytes, 0);
  }

  /** Configs first: one that Kiln cannot run is refused before the gigabytes. */
  async #fetchAll(plan: PullPlan, commit: string): Promise<void> {
    const files = [...plan.configs, ...plan.weights];
    this.#display.begin({ files: files.length, bytes: total(files), here: await this.#bytesHere(files) });
    let before = 0;
    for (const file of files) {
      if (file === plan.weights[0]) await checkConfigs(this.#folder);
      const onBytes = (bytes: number): void => this.#display.progress(file.path, before + bytes);
      await fetchFile(file, this.#folder, this.#fetchOptions(commit, onBytes));
      before += file.bytes;
      this.#display.finished(file.path, file.bytes);
    }
  }

  #fetchOptions(commit: string, onBytes: (bytes: number) => void): FetchOptions {
    return {
      source: (file, offset) => this.#hub.open(file, commit, offset),
      retry: this.#retry,
      onBytes,
    };
  }

  /** What a pull of another revision or variant left here is not part of this model. */
  async #dropOthers(files: readonly HubFile[]): Promise<void> {
    const wanted = new Set(files.map(({ path }) => path));
    for (const entry of await readdir(this.#folder, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (entry.isFile() && !wanted.has(path.slice(this.#folder.length + 1))) await rm(path);
    }
  }

  async #writeSource(files: readonly HubFile[], commit: string): Promise<void> {
    const { endpoint, id, revision, variant } = this.#request;
    const source = {
      hub: endpoint,
      id,
      revision,
      commit,
      variant: variant ?? null,
      files: files.map(({ path, bytes, checksum }) => ({ path, bytes, [checksum.kind]: checksum.hex })),
    };
    await writeFile(join(this.#folder, SOURCE), `${JSON.stringify(source, null, 2)}\n`);
  }

  async #verify(): Promise<void> {
    const { isSound, parts } = await verifyModelFolder(this.#folder);
    if (isSound) return;
    const problems = parts.flatMap(({ name, problems: own }) => own.map((problem) => `${name}: ${problem}`));
    throw new Error(
      `${listProblems(`${this.#request.id} came whole, but Kiln cannot use it`, problems)}\n` +
        `It stays in ${this.#folder}; delete ${this.#work} if you do not want it`,
    );
  }
}

function total(files: readonly HubFile[]): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}
