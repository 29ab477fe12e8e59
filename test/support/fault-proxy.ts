/** A TCP proxy that spoils connections one by one, as networks and overloaded servers do. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** What becomes of one connection. */
export type ConnectionFault =
  /** The request is read to its end and answered here; the server never sees it. */
  | { readonly kind: 'answer'; readonly text: string }
  /** After so many bytes of the server's answer the connection is reset, ended as if all was well, or goes silent. */
  | { readonly kind: 'reset' | 'end' | 'stall'; readonly afterBytes: number }
  /** The server's answer is sent on in another wording. */
  | { readonly kind: 'reword'; readonly change: (answer: string) => string };

export interface FaultProxy {
  readonly url: string;
  /** One for each of the connections to come, in order; those behind the last pass through. */
  readonly faults: ConnectionFault[];
  /** Connections so far. */
  readonly connections: number;
  stop(): Promise<void>;
}

export async function startFaultProxy(targetPort: number): Promise<FaultProxy> {
  const faults: ConnectionFault[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const keep = (socket: Socket): Socket => {
    sockets.add(socket);
    // The other side may reset at any time; that is what the tests are about.
    return socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
  };
  const server = createServer((client) => {
    connections++;
    keep(client);
    const fault = faults.shift();
    if (fault?.kind === 'answer') answerAlone(client, fault.text);
    else pass(client, keep(connect(targetPort, '127.0.0.1')), fault);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    faults,
    get connections() {
      return connections;
    },
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

type PassFault = Exclude<ConnectionFault, { kind: 'answer' }>;

function pass(client: Socket, target: Socket, fault: PassFault | undefined): void {
  client.once('data', (head: Buffer) => {
    target.write(lastOnItsConnection(head));
    client.pipe(target);
  });
  client.on('close', () => target.destroy());
  if (fault === undefined) {
    target.pipe(client);
    return;
  }
  if (fault.kind === 'reword') {
    const chunks: Buffer[] = [];
    target.on('data', (chunk: Buffer) => chunks.push(chunk));
    // latin1 keeps every byte as it is.
    target.on('end', () =>
      client.end(Buffer.from(fault.change(Buffer.concat(chunks).toString('latin1')), 'latin1')),
    );
    return;
  }
  let left = fault.afterBytes;
  target.on('data', (chunk: Buffer) => {
    if (left < 0) return;
    const sent = chunk.subarray(0, left);
    left -= sent.length;
    client.write(sent);
    if (left > 0) return;
    left = -1;
    if (fault.kind === 'reset') client.resetAndDestroy();
    if (fault.kind === 'end') client.end();
  });
  // An answer that is shorter than the fault is deep is no test of it.
  target.on('end', () => left > 0 && client.destroy(new Error('the answer ended before its fault')));
}

/** Asks the server to end the connection with its answer: each request then comes on one of its own, and meets its fault. */
function lastOnItsConnection(head: Buffer): Buffer {
  const text = head.toString('latin1').replace(/^connection: keep-alive\r$/im, 'connection: close\r');
  return Buffer.from(text, 'latin1');
}

/** A server that answers before it has read the request resets the connection, and that is another fault. */
function answerAlone(client: Socket, text: string): void {
  let request = Buffer.alloc(0);
  client.on('data', (chunk: Buffer) => {
    request = Buffer.concat([request, chunk]);
    const head = request.indexOf('\r\n\r\n');
    if (head === -1) return;
    const length = /^content-length: *(\d+)/im.exec(request.subarray(0, head).toString('latin1'))?.[1] ?? '0';
    if (request.length >= head + 4 + Number(length)) client.end(text);
  });
}

/** An S3 error as a server under load sends it. */
export function s3Refusal(status: number, code: string, headers: readonly string[] = []): ConnectionFault {
  const body = `<Error><Code>${code}</Code><Message>not now</Message></Error>`;
  const head = [`HTTP/1.1 ${status} x`, `Content-Length: ${body.length}`, 'Connection: close', ...headers];
  return { kind: 'answer', text: `${head.join('\r\n')}\r\n\r\n${body}` };
}
