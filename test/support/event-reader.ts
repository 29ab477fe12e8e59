/** Reads server-sent events as a browser does: blocks of fields, ended by an empty line. */

export interface ServerEvent {
  readonly id: string | null;
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export class EventReader {
  readonly status: number;
  readonly headers: Headers;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  readonly #decoder = new TextDecoder();
  #text = '';

  private constructor(response: Response) {
    this.status = response.status;
    this.headers = response.headers;
    this.#reader = response.body?.getReader();
  }

  static async open(url: string, headers: Record<string, string> = {}): Promise<EventReader> {
    return new EventReader(await fetch(url, { headers }));
  }

  /** The next event, comments left out; undefined at the end of the stream. */
  async next(): Promise<ServerEvent | undefined> {
    for (;;) {
      const end = this.#text.indexOf('\n\n');
      if (end === -1) {
        const { done = true, value } = (await this.#reader?.read()) ?? {};
        if (done) return undefined;
        this.#text += this.#decoder.decode(value, { stream: true });
        continue;
      }
      const event = parsed(this.#text.slice(0, end));
      this.#text = this.#text.slice(end + 2);
      if (event !== undefined) return event;
    }
  }

  /** The next event of this name; what comes before it is left out. Throws when there is none. */
  async nextOf(name: string): Promise<ServerEvent> {
    for (;;) {
      const event = await this.next();
      if (event === undefined) throw new Error(`the stream ended before ${name}`);
      if (event.event === name) return event;
    }
  }

  async rest(): Promise<ServerEvent[]> {
    const events: ServerEvent[] = [];
    for (let event = await this.next(); event !== undefined; event = await this.next()) events.push(event);
    return events;
  }

  async close(): Promise<void> {
    await this.#reader?.cancel();
  }
}

function parsed(block: string): ServerEvent | undefined {
  const fields = new Map(
    block.split('\n').map((line) => [line.split(': ', 1)[0], line.slice(line.indexOf(': ') + 2)]),
  );
  const data = fields.get('data');
  if (data === undefined) return undefined;
  const value: unknown = JSON.parse(data);
  if (typeof value !== 'object' || value === null) throw new Error(`${data} is no object`);
  return { id: fields.get('id') ?? null, event: fields.get('event') ?? 'message', data: { ...value } };
}
