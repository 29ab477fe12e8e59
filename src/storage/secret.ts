/** A text that logs, JSON and `inspect` cannot show: private fields are invisible to all of them. */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  reveal(): string {
    return this.#text;
  }
}
