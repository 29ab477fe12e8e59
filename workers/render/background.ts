/** Work that goes on beside the main flow: nothing is forgotten at stop, and no error is lost. */
import type { Logger } from 'pino';

export class Background {
  readonly #running = new Set<Promise<void>>();

  /** `title` completes "... failed" in the log. */
  run(title: string, log: Logger, task: () => Promise<void>): void {
    const running = guard(title, log, task).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Resolves when nothing runs any more, also what was begun meanwhile. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}

async function guard(title: string, log: Logger, task: () => Promise<void>): Promise<void> {
  try {
    await task();
  } catch (error) {
    log.error({ err: error }, `${title} failed`);
  }
}
