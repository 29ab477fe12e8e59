/**
 * starting --ready--> up --stop()--> stopping --exit--> down
 *    |                 |
 *    '--exit: fails    '--exit--> waiting (backoff) --> starting again
 *
 * The first start may fail, and then start() rejects: a farm that never worked is misconfigured, and trying
 * again would hide it. After that every exit that nobody asked for is answered with a new life.
 */
import type { ChildProcess } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';

const SECOND = 1_000;
const BACKOFF_FIRST_MS = 500;
const BACKOFF_MAX_MS = 30 * SECOND;
/** A life of this length was a good one: the next backoff starts from the beginning. */
const GOOD_LIFE_MS = 60 * SECOND;

export interface ChildPlan {
  readonly name: string;
  /** Starts a new life. */
  launch(): ChildProcess;
  /** Resolves once this life is usable; need not settle when it exits first. */
  ready(child: ChildProcess): Promise<void>;
  /** How long it may take to end after SIGTERM before it is killed. */
  readonly stopMs: number;
}

interface Ending {
  readonly how: string;
}

export class KeptChild {
  readonly #plan: ChildPlan;
  readonly #report: (line: string) => void;
  readonly #stopping = new AbortController();
  #child: ChildProcess | undefined;
  #kept: Promise<void> = Promise.resolve();

  /** @param report told of every exit nobody asked for, in a line for a person */
  constructor(plan: ChildPlan, report: (line: string) => void) {
    this.#plan = plan;
    this.#report = report;
  }

  /** Resolves when the child is usable for the first time; rejects when it ends before that. */
  async start(): Promise<void> {
    const { child, ended } = this.#launch();
    const startedAt = Date.now();
    const first = await Promise.race([this.#plan.ready(child), ended]);
    if (first !== undefined) throw new Error(`${this.#plan.name} did not start (${first.how})`);
    this.#kept = this.#keep(ended, startedAt);
  }

  /** SIGTERM, and SIGKILL when it takes longer than the plan allows. Resolves when it is gone for good. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    const child = this.#child;
    if (child !== undefined && isAlive(child)) {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      const timer = setTimeout(() => {
        this.#report(`${this.#plan.name} did not stop within ${this.#plan.stopMs / SECOND} s and was killed`);
        child.kill('SIGKILL');
      }, this.#plan.stopMs);
      await gone;
      clearTimeout(timer);
    }
    await this.#kept;
  }

  /** Ends it at once, without waiting. */
  kill(): void {
    this.#stopping.abort();
    this.#child?.kill('SIGKILL');
  }

  #isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  #launch(): { child: ChildProcess; ended: Promise<Ending> } {
    const child = this.#plan.launch();
    this.#child = child;
    const ended = new Promise<Ending>((resolve) => {
      child.once('error', (error) => resolve({ how: error.message }));
      child.once('exit', (code, signal) => resolve({ how: signal ?? `exit code ${code}` }));
    });
    return { child, ended };
  }

  async #keep(firstEnded: Promise<Ending>, firstStartedAt: number): Promise<void> {
    let ended = firstEnded;
    let startedAt = firstStartedAt;
    let backoffMs = BACKOFF_FIRST_MS;
    for (;;) {
      const { how } = await ended;
      if (this.#isStopping()) return;
      if (Date.now() - startedAt > GOOD_LIFE_MS) backoffMs = BACKOFF_FIRST_MS;
      this.#report(`${this.#plan.name} ended (${how}); starting it again in ${backoffMs / SECOND} s`);
      await pause(backoffMs, undefined, { signal: this.#stopping.signal }).catch(ignoreAbort);
      if (this.#isStopping()) return;
      backoffMs = Math.min(backoffMs * 2, BACKOFF_MAX_MS);
      startedAt = Date.now();
      ({ ended } = this.#launch());
    }
  }
}

/** False before a failed launch got a process, and after an exit. */
export function isAlive(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
}

function ignoreAbort(): void {
  // stop() ended the wait; the caller sees that by the signal.
}
