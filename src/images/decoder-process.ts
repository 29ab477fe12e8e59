/** One life of the decode child. */
import { fork, type ChildProcess } from 'node:child_process';
import { parseAnswer, type DecodeAnswer } from './decoder/protocol.ts';
import { RefusedImageError } from './refused-image-error.ts';

const HEAP_MB = 64;
/** What a file leaves behind in a child, such as leaked memory, meets no more than so many others. */
const FILES_PER_LIFE = 50;
const CRASHED: DecodeAnswer = {
  kind: 'refused',
  message: 'could not be decoded',
  limit: 'PNG, JPEG or WebP',
};

export interface DecoderLife {
  readonly entry: string;
  /** A file that takes longer ends the child. */
  readonly limitMs: number;
}

export class DecoderProcess {
  readonly #child: ChildProcess;
  readonly #life: DecoderLife;
  readonly #ended: Promise<void>;
  #alive = true;
  #files = 0;

  constructor(life: DecoderLife) {
    this.#life = life;
    this.#child = fork(life.entry, [], {
      serialization: 'advanced',
      // Pixels are not on the heap; and no secret of the API's environment is in the child's.
      execArgv: [`--max-old-space-size=${HEAP_MB}`],
      env: {},
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    this.#ended = new Promise((resolve) => {
      const end = (): void => {
        this.#alive = false;
        resolve();
      };
      this.#child.once('close', end);
      // Without a process there will be no 'close'; after other errors there is nothing to rely on.
      this.#child.on('error', () => {
        this.#child.kill('SIGKILL');
        end();
      });
    });
  }

  /** False when it has died or is worn out: then it should be killed, and another one made. */
  get isUsable(): boolean {
    return this.#alive && this.#files < FILES_PER_LIFE;
  }

  /** One at a time. Throws RefusedImageError, also when the child dies of the file or takes too long. */
  async decode(file: Uint8Array): Promise<DecodeAnswer & { kind: 'image' }> {
    this.#files++;
    const timer = setTimeout(() => this.kill(), this.#life.limitMs);
    try {
      const answer = await Promise.race([this.#ask(file), this.#ended.then(() => CRASHED)]);
      if (answer.kind === 'image') return answer;
      throw new RefusedImageError(answer.message, answer.limit);
    } finally {
      clearTimeout(timer);
      this.#child.removeAllListeners('message');
    }
  }

  kill(): void {
    this.#alive = false;
    this.#child.kill('SIGKILL');
  }

  #ask(file: Uint8Array): Promise<DecodeAnswer> {
    return new Promise((resolve) => {
      this.#child.once('message', (message) => resolve(this.#understood(message)));
      // A channel that is closed belongs to a child that is about to be found ended.
      this.#child.send(file, () => undefined);
    });
  }

  #understood(message: unknown): DecodeAnswer {
    try {
      return parseAnswer(message);
    } catch {
      // A child that talks nonsense has lost its mind over the file.
      this.kill();
      return CRASHED;
    }
  }
}
