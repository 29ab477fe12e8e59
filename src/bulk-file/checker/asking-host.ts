/** The host of a check whose host is another process. */
import type { CheckHost, FoundImage, PreviousChunk } from '../check-host.ts';
import { toAnswer, toFoundImage, toPreviousChunk, toTexts, type Ask, type FromChild } from './protocol.ts';

export class AskingHost implements CheckHost {
  readonly #send: (message: FromChild) => void;
  readonly #waiting = new Map<number, (answer: unknown) => void>();
  #id = 0;

  constructor(send: (message: FromChild) => void) {
    this.#send = send;
  }

  /** What the other process said. */
  hear(message: unknown): void {
    const { id, answer } = toAnswer(message);
    this.#waiting.get(id)?.(answer);
    this.#waiting.delete(id);
  }

  async findUpload(upload: string): Promise<FoundImage> {
    return toFoundImage(await this.#ask({ ask: 'findUpload', upload }));
  }

  async takeImage(file: Uint8Array): Promise<FoundImage> {
    return toFoundImage(await this.#ask({ ask: 'takeImage', file }));
  }

  async writeRows(chunk: number, lines: Uint8Array): Promise<void> {
    await this.#ask({ ask: 'writeRows', chunk, lines });
  }

  async writeFaults(text: Uint8Array): Promise<void> {
    await this.#ask({ ask: 'writeFaults', text });
  }

  async writeTable(text: Uint8Array): Promise<void> {
    await this.#ask({ ask: 'writeTable', text });
  }

  async previousChunk(chunk: number): Promise<PreviousChunk | undefined> {
    return toPreviousChunk(await this.#ask({ ask: 'previousChunk', chunk }));
  }

  async previousOutcomes(rows: readonly number[]): Promise<string[]> {
    return toTexts(await this.#ask({ ask: 'previousOutcomes', rows: [...rows] }));
  }

  /** A host that fails ends this process, so no answer tells of that. */
  #ask(ask: Ask): Promise<unknown> {
    const id = this.#id++;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#send({ kind: 'ask', id, ask });
    });
  }
}
