/** One life of the engine child: what it says, what it was doing when it died. */
import { fork, type ChildProcess } from 'node:child_process';
import { env } from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseEvent, type Doing, type EngineCommand, type EngineEvent } from './engine/protocol.ts';

export interface EngineExit {
  /**
   * Samples of the piece of work under way, or of the last one: what crashes right after it is blamed on it too, or a
   * job that spoils the engine's memory could kill one engine after the other for ever.
   */
  readonly aboard: readonly string[];
  readonly doing: Doing | null;
  /** That was at work, or being loaded. */
  readonly model: string | null;
  /** Exit code or signal. */
  readonly cause: string;
}

const ENTRY = fileURLToPath(new URL('./engine/main.js', import.meta.url));
/**
 * glibc keeps what is freed for the next allocation, so the weights of models long gone would stay in memory: 500 MB of
 * 600 were measured. Blocks of 128 KiB and more are to be given back at once. What the environment says goes first.
 */
export const ALLOCATOR = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '131072',
  MALLOC_TRIM_THRESHOLD_: '131072',
};
const NOBODY: Omit<EngineExit, 'cause'> = { aboard: [], doing: null, model: null };

export class EngineProcess {
  readonly exited: Promise<EngineExit>;
  readonly #child: ChildProcess;
  #busyWith = NOBODY;

  constructor(onEvent: (event: EngineEvent) => void) {
    this.#child = fork(ENTRY, [], { serialization: 'advanced', env: { ...ALLOCATOR, ...env } });
    this.exited = new Promise((resolve) => {
      const end = (cause: string): void => {
        resolve({ ...this.#busyWith, cause });
      };
      // 'close' follows the last message: 'exit' may overtake what the child said before it died.
      this.#child.once('close', (code, signal) => end(signal ?? `exit code ${code}`));
      // Of the errors that a child can emit only a failed start means that there will be no 'close'.
      this.#child.on('error', (error) => {
        if (this.#child.pid === undefined) end(error.message);
      });
    });
    this.#child.on('message', (message) => {
      const event = parseEvent(message);
      if (event.kind === 'aboard') {
        const { ids, doing, model } = event;
        this.#busyWith = { aboard: ids, doing, model };
      }
      onEvent(event);
    });
  }

  send(command: EngineCommand): void {
    // A channel that is closed belongs to a child that is about to be reported as exited.
    if (this.#child.connected) this.#child.send(command, ignoreClosedChannel);
  }

  /** Takes effect in the middle of a step, too. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

function ignoreClosedChannel(): void {
  // The exit of the child tells the same, and its samples are handed back then.
}
