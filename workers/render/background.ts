/** Work that goes on beside the main flow: nothing is forgotten at stop, and no error is lost. */
import type { Logger } from 'pino';

export class Background {
  readonly #log: Logger;
  readonly #running = new Set<Promise<void>>();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** `title` completes "... failed" in the log; `ids` are bound to that line. */
  run(title: string, ids: Readonly<Record<string, string>>, task: () => Promise<void>): void {
    const running = this.#guard(title, ids, task).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Resolves when nothing runs any more, also what was begun meanwhile. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  async #guard(
    title: string,
    ids: Readonly<Record<string, string>>,
    task: () => Promise<void>,
  ): Promise<void> {
    try {
      await task();
    } catch (error) {
      this.#log.error({ ...ids, err: error }, `${title} failed`);
    }
  }
}
