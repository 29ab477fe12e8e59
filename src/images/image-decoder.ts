/** Decodes files in child processes: a few at a time, a few more wait, the rest is asked to come again. */
import { join } from 'node:path';
import { KilnError } from '../domain/errors.ts';
import { packageRoot } from '../paths.ts';
import type { CanonicalImage } from './decoder/canonical-png.ts';
import { DecoderProcess } from './decoder-process.ts';

export interface DecoderOptions {
  /** Files decoded at once, each by a process of its own. */
  readonly children: number;
  /** Files that may wait beyond those. */
  readonly waiting: number;
  readonly limitMs: number;
  /** The program of the child. */
  readonly entry: string;
}

const DEFAULTS: DecoderOptions = {
  children: 2,
  waiting: 32,
  limitMs: 10_000,
  // Found from the root, since processes run compiled code whoever starts them.
  entry: join(packageRoot(), 'dist', 'src', 'images', 'decoder', 'main.js'),
};

export class ImageDecoder {
  readonly #options: DecoderOptions;
  /** Children without work, the one last used at the end. */
  readonly #idle: DecoderProcess[] = [];
  readonly #waiting: Array<() => void> = [];
  #busy = 0;

  constructor(options: Partial<DecoderOptions> = {}) {
    this.#options = { ...DEFAULTS, ...options };
  }

  /**
   * Throws RefusedImageError for what is no image that Kiln takes, and KilnError `unavailable` when too many wait
   * already. A child that dies of a file is replaced for the next one.
   */
  async decode(file: Uint8Array): Promise<CanonicalImage> {
    await this.#turn();
    const child = this.#child();
    try {
      const { png, width, height } = await child.decode(file);
      return { png, width, height };
    } finally {
      if (child.isUsable) this.#idle.push(child);
      else child.kill();
      this.#pass();
    }
  }

  /** Call when nobody decodes any more: ends the children, which would keep this process alive. */
  close(): void {
    for (const child of this.#idle.splice(0)) child.kill();
  }

  #child(): DecoderProcess {
    for (let child = this.#idle.pop(); child !== undefined; child = this.#idle.pop()) {
      if (child.isUsable) return child;
    }
    return new DecoderProcess(this.#options);
  }

  async #turn(): Promise<void> {
    if (this.#busy < this.#options.children) {
      this.#busy++;
      return;
    }
    if (this.#waiting.length >= this.#options.waiting) {
      throw new KilnError(
        'unavailable',
        'Too many images are waiting to be read: send this one again shortly',
      );
    }
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** The turn goes to whoever waits longest. */
  #pass(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#busy--;
    else next();
  }
}
