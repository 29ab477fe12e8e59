/** What a worker's engine child holds for itself alone, looked at again and again from outside. Linux only. */
import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { childrenOf, type FarmProcess } from '../support/processes.ts';

const KiB = 1024;
const INTERVAL_MS = 50;
/** The kernel walks all pages for this one. */
const WALK_EVERY = 20;

export interface MemoryPeaks {
  /** Bytes of anonymous memory: heap, arenas, copies of weights. Weights mapped from files are not in it. */
  readonly anonymous: number;
  /** Bytes that were written to since they were mapped, by the kernel's count of pages: the check on the other. */
  readonly dirty: number;
  readonly looks: number;
}

export class MemoryProbe {
  readonly #worker: FarmProcess;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #peaks: MemoryPeaks = { anonymous: 0, dirty: 0, looks: 0 };

  constructor(worker: FarmProcess) {
    this.#worker = worker;
    this.#running = this.#run();
  }

  async stop(): Promise<MemoryPeaks> {
    this.#stop.abort();
    await this.#running;
    return this.#peaks;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    let engine: number | undefined;
    while (!signal.aborted) {
      engine ??= (await childrenOf(this.#worker.pid))[0];
      // An engine that died is replaced by another.
      if (engine !== undefined && !(await this.#look(engine))) engine = undefined;
      await pause(INTERVAL_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  /** False when the process is gone. */
  async #look(pid: number): Promise<boolean> {
    const { anonymous, dirty, looks } = this.#peaks;
    const anonymousNow = await bytesIn(`/proc/${pid}/status`, /^RssAnon:\s+(\d+) kB$/m);
    if (anonymousNow === null) return false;
    const isWalk = looks % WALK_EVERY === 0;
    const dirtyNow = isWalk ? await bytesIn(`/proc/${pid}/smaps_rollup`, /^Private_Dirty:\s+(\d+) kB$/m) : 0;
    this.#peaks = {
      anonymous: Math.max(anonymous, anonymousNow),
      dirty: Math.max(dirty, dirtyNow ?? 0),
      looks: looks + 1,
    };
    return true;
  }
}

async function bytesIn(path: string, pattern: RegExp): Promise<number | null> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const kibibytes = pattern.exec(text)?.[1];
  return kibibytes === undefined ? null : Number(kibibytes) * KiB;
}
