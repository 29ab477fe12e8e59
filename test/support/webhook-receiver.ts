/** A real HTTP receiver of webhooks that answers well, badly, slowly or never, and remembers what it was sent. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { Webhook } from 'standardwebhooks';

export interface Received {
  readonly path: string;
  readonly id: string;
  readonly headers: Record<string, string>;
  readonly body: Buffer;
}

export type Behaviour =
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string }
  | 'hang'
  | 'reset'
  /** Headers, or a body after 200, that come byte by byte and never end. */
  | 'drip_headers'
  | 'drip_body';

const DRIP_MS = 20;
const WAIT_MS = 20_000;

export class WebhookReceiver {
  readonly received: Received[] = [];
  readonly #server = createServer((request, response) => void this.#take(request, response));
  readonly #answers = new Map<string, Behaviour[]>();
  readonly #changed = new Set<() => void>();
  #before: (received: Received) => Promise<void> = () => Promise.resolve();

  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  get origin(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the receiver does not listen');
    return `http://127.0.0.1:${address.port}`;
  }

  /** What a path does, request by request; the last goes on for ever. Without, it is 204. */
  answer(path: string, ...behaviours: Behaviour[]): void {
    this.#answers.set(path, behaviours);
  }

  /** Runs once, at the next connection, before anything is read from it. */
  onConnection(act: () => void): void {
    this.#server.prependOnceListener('connection', act);
  }

  /** Runs before a request is answered. */
  before(look: (received: Received) => Promise<void>): void {
    this.#before = look;
  }

  /** Resolves with what a path was sent, when that is so many messages. */
  async at(path: string, count = 1): Promise<Received[]> {
    const found = (): Received[] => this.received.filter((one) => one.path === path);
    const limit = AbortSignal.timeout(WAIT_MS);
    while (found().length < count) {
      await new Promise<void>((resolve, reject) => {
        this.#changed.add(resolve);
        limit.onabort = () => reject(new Error(`${path} was sent ${found().length} of ${count} messages`));
      });
    }
    return found();
  }

  async close(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    if (this.#server.listening) await once(this.#server, 'close');
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '';
    const headers = Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
    );
    const body = await buffer(request).catch(() => Buffer.alloc(0));
    const received = { path, headers, body, id: headers['webhook-id'] ?? '' };
    await this.#before(received);
    this.received.push(received);
    for (const resolve of this.#changed) resolve();
    this.#changed.clear();
    const behaviours = this.#answers.get(path) ?? [];
    await behave((behaviours.length > 1 ? behaviours.shift() : behaviours[0]) ?? { status: 204 }, response);
  }
}

async function behave(behaviour: Behaviour, response: ServerResponse): Promise<void> {
  if (behaviour === 'hang') return;
  if (behaviour === 'reset') {
    response.socket?.resetAndDestroy();
    return;
  }
  if (typeof behaviour === 'object') {
    response.writeHead(behaviour.status, behaviour.headers).end(behaviour.body);
    return;
  }
  const { socket } = response;
  if (behaviour === 'drip_body') response.writeHead(200);
  else socket?.write('HTTP/1.1 200 OK\r\nx-slow: ');
  while (socket?.writable === true) {
    if (behaviour === 'drip_body') response.write('.');
    else socket.write('.');
    await pause(DRIP_MS);
  }
}

/** The body, once its signature is found right by the package that receivers use. */
export function verified(secret: string, { body, headers }: Received): Record<string, unknown> {
  return Object.fromEntries(Object.entries(new Object(new Webhook(secret).verify(body, headers))));
}
