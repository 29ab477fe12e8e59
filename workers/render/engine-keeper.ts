/**
 * Keeps one engine alive.
 *
 *   starting -> ready -> (exit, or killed for silence) -> restarting -> ready -> ...
 *
 * An engine that says nothing for `stepDeadlineMs` while it has work hangs in a call that nothing can interrupt: it
 * is killed. The pause before a new start doubles while engines die without a single step done.
 */
import type { Logger } from 'pino';
import { isAborted, pause } from '../../src/waiting.ts';
import type { EngineCommand, EngineEvent } from './engine/protocol.ts';
import { EngineProcess, type EngineExit } from './engine-process.ts';

const SECOND = 1_000;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 30 * SECOND;
const WATCHES_PER_DEADLINE = 10;
/** For an engine that was told to stop: it ends after the step it is in. */
const STOP_GRACE_MS = 2 * SECOND;

export type EngineState = 'starting' | 'ready' | 'restarting';

export interface EngineKeeperOptions {
  readonly stepDeadlineMs: number;
  readonly onEvent: (event: EngineEvent) => void;
  /** Called once a death, before the next engine starts. */
  readonly onExit: (exit: EngineExit) => void;
  readonly hasWork: () => boolean;
  readonly log: Logger;
}

export class EngineKeeper {
  readonly #options: EngineKeeperOptions;
  #engine: EngineProcess | undefined;
  #state: EngineState = 'starting';
  #heardAt = performance.now();
  #barren = 0;

  constructor(options: EngineKeeperOptions) {
    this.#options = options;
  }

  get state(): EngineState {
    return this.#state;
  }

  /** False while the engine has work, or to start, but has said nothing for longer than its deadline. */
  get isProgressing(): boolean {
    if (this.#state === 'ready' && !this.#options.hasWork()) return true;
    return performance.now() - this.#heardAt <= this.#options.stepDeadlineMs;
  }

  /** Runs engines, one after the other, until the signal aborts and the last one has ended. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const exit = await this.#live(signal);
      if (isAborted(signal)) return;
      this.#state = 'restarting';
      const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#barren);
      this.#barren += 1;
      this.#options.log.error(
        { cause: exit.cause, doing: exit.doing, aboard: exit.aboard, pauseMs },
        'Engine died',
      );
      this.#options.onExit(exit);
      await pause(pauseMs, signal);
    }
  }

  /** An engine that is not ready is told nothing: it gets what there is when it says so. */
  send(command: EngineCommand): void {
    if (this.#state !== 'ready') return;
    // An idle engine has been silent for as long as it liked: its deadline starts with new work.
    if (command.kind === 'add' && !this.#options.hasWork()) this.#heardAt = performance.now();
    this.#engine?.send(command);
  }

  async #live(signal: AbortSignal): Promise<EngineExit> {
    this.#heardAt = performance.now();
    const engine = new EngineProcess((event) => this.#hear(event));
    this.#engine = engine;
    const watch = setInterval(() => this.#watch(engine), this.#options.stepDeadlineMs / WATCHES_PER_DEADLINE);
    const stop = (): void => this.#stop(engine);
    signal.addEventListener('abort', stop, { once: true });
    const exit = await engine.exited;
    signal.removeEventListener('abort', stop);
    clearInterval(watch);
    this.#engine = undefined;
    return exit;
  }

  #hear(event: EngineEvent): void {
    this.#heardAt = performance.now();
    if (event.kind === 'ready') this.#state = 'ready';
    if (event.kind === 'stepped') this.#barren = 0;
    this.#options.onEvent(event);
  }

  #watch(engine: EngineProcess): void {
    if (this.isProgressing) return;
    this.#options.log.error(
      { stepDeadlineMs: this.#options.stepDeadlineMs },
      'Engine was silent for too long; killed',
    );
    engine.kill();
  }

  #stop(engine: EngineProcess): void {
    engine.send({ kind: 'stop' });
    const force = setTimeout(() => engine.kill(), STOP_GRACE_MS);
    void engine.exited.then(() => clearTimeout(force));
  }
}
