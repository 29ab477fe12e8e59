/** Real processes of the farm under test: started, watched, signalled, restarted. Linux and macOS. */
import { execFile, fork, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';

const READY_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 30_000;
const GONE_POLL_MS = 50;
const LOG_TAIL_CHARS = 2_000;

export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ProcessOptions {
  readonly name: string;
  /** A compiled main.js, or a .ts file together with `execArgv: ['--import', 'tsx']`. */
  readonly entry: string;
  readonly env: Readonly<Record<string, string>>;
  /** Collects stdout and stderr of all its lives. */
  readonly logFile: string;
  readonly execArgv?: readonly string[];
}

interface Life {
  readonly child: ChildProcess;
  readonly exited: Promise<ProcessExit>;
}

/** One place in the farm that a process fills; after a death it can be filled again, with the same settings. */
export class FarmProcess {
  readonly name: string;
  readonly logFile: string;
  readonly #options: ProcessOptions;
  #env: Readonly<Record<string, string>>;
  #life: Life | undefined;

  constructor(options: ProcessOptions) {
    this.name = options.name;
    this.logFile = options.logFile;
    this.#options = options;
    this.#env = options.env;
  }

  get pid(): number {
    const pid = this.#life?.child.pid;
    if (pid === undefined) throw new Error(`${this.name} was never started`);
    return pid;
  }

  get isRunning(): boolean {
    const child = this.#life?.child;
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  /** Changes settings from the next start on. */
  configure(env: Readonly<Record<string, string>>): void {
    this.#env = { ...this.#env, ...env };
  }

  /** Resolves with the URL that the process listens on, or undefined for one that does not listen. */
  start(): Promise<string | undefined> {
    const log = openSync(this.logFile, 'a');
    const child = fork(this.#options.entry, [], {
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...this.#env },
      // The parent's own loader flags (tsx, vitest) must not leak into what is tested.
      execArgv: [...(this.#options.execArgv ?? [])],
      stdio: ['ignore', log, log, 'ipc'],
    });
    closeSync(log);
    const exited = new Promise<ProcessExit>((resolve) => {
      child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    this.#life = { child, exited };
    // A test that crashes must not leave its farm behind; one that is frozen hears no other signal.
    const reap = (): boolean => child.kill('SIGKILL');
    process.once('exit', reap);
    void exited.then(() => process.off('exit', reap));
    return this.#becomesReady(this.#life);
  }

  signal(signal: NodeJS.Signals): void {
    this.#life?.child.kill(signal);
  }

  exited(): Promise<ProcessExit> {
    if (this.#life === undefined) throw new Error(`${this.name} was never started`);
    return this.#life.exited;
  }

  /** SIGTERM, and SIGKILL for one that does not listen. */
  async stop(): Promise<ProcessExit | undefined> {
    const life = this.#life;
    if (life === undefined) return undefined;
    life.child.kill('SIGCONT');
    life.child.kill('SIGTERM');
    const giveUp = setTimeout(() => life.child.kill('SIGKILL'), STOP_LIMIT_MS);
    const exit = await life.exited;
    clearTimeout(giveUp);
    return exit;
  }

  #becomesReady({ child, exited }: Life): Promise<string | undefined> {
    return new Promise((resolve, reject) => {
      const fail = (what: string): void => {
        clearTimeout(limit);
        reject(this.#error(what));
      };
      const died = ({ code, signal }: ProcessExit): void => fail(`ended with ${code ?? signal ?? 'nothing'}`);
      const limit = setTimeout(() => fail(`was not ready after ${READY_LIMIT_MS} ms`), READY_LIMIT_MS);
      child.on('message', (message) => {
        if (!isReadiness(message)) return;
        clearTimeout(limit);
        resolve(message.url);
      });
      void exited.then(died);
    });
  }

  #error(what: string): Error {
    const tail = readFileSync(this.logFile, 'utf8').slice(-LOG_TAIL_CHARS);
    return new Error(`${this.name} ${what}. The end of its log:\n${tail}`);
  }
}

function isReadiness(message: unknown): message is { kind: string; url?: string } {
  return (
    typeof message === 'object' &&
    message !== null &&
    'kind' in message &&
    (message.kind === 'ready' || message.kind === 'listening')
  );
}

const execute = promisify(execFile);

/** Process ids of the living children of a process. */
export async function childrenOf(pid: number): Promise<number[]> {
  const { stdout } = await execute('ps', ['-A', '-o', 'pid=,ppid=,stat=']);
  return stdout
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, parent, stat]) => Number(parent) === pid && !stat?.startsWith('Z'))
    .map(([child]) => Number(child));
}

/** Milliseconds until a process (not a child of ours) was gone, or null if it outlived the limit. */
export async function untilGone(pid: number, limitMs: number): Promise<number | null> {
  const start = performance.now();
  while (isAlive(pid)) {
    if (performance.now() - start > limitMs) return null;
    await pause(GONE_POLL_MS);
  }
  return Math.round(performance.now() - start);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
