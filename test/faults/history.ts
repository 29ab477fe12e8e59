/** The recorder of a run: every entry in memory for the checker, and as a line of JSON for a human afterwards. */
import { closeSync, openSync, writeSync } from 'node:fs';
import type { Entry } from './evidence.ts';

/** An entry before it is stamped: Omit does not distribute over a union by itself. */
type Unstamped<E> = E extends Entry ? Omit<E, 'at'> : never;

export class History {
  readonly file: string;
  readonly #fd: number;
  readonly #entries: Entry[] = [];

  constructor(file: string) {
    this.file = file;
    this.#fd = openSync(file, 'w');
  }

  get entries(): readonly Entry[] {
    return this.#entries;
  }

  /** `at` is now, unless what is told happened earlier. */
  add(entry: Unstamped<Entry>, at: number = Date.now()): void {
    const stamped: Entry = { at, ...entry };
    this.#entries.push(stamped);
    writeSync(this.#fd, `${JSON.stringify(stamped)}\n`);
  }

  close(): void {
    closeSync(this.#fd);
  }
}
