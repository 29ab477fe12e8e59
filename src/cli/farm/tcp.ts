/** Questions about TCP ports of this machine, asked without a client library. */
import { connect, createServer } from 'node:net';

const HOST = '127.0.0.1';
const ANSWER_LIMIT_MS = 1_000;

/** A port of the loopback interface that nothing listens on right now. */
export function freePort(): Promise<number> {
  return bind(0);
}

export function isPortFree(port: number): Promise<boolean> {
  return bind(port).then(
    () => true,
    () => false,
  );
}

/**
 * Sends one line and resolves with what comes back until `isComplete`, or with undefined when nothing listens
 * there or it says nothing fitting within a second.
 */
export function askPort(
  port: number,
  line: string,
  isComplete: (answer: string) => boolean,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(port, HOST, () => socket.write(`${line}\r\n`));
    const finish = (result: string | undefined): void => {
      socket.destroy();
      resolve(result);
    };
    socket.setTimeout(ANSWER_LIMIT_MS, () => finish(undefined));
    socket.on('error', () => finish(undefined));
    socket.on('close', () => finish(undefined));
    socket.setEncoding('utf8').on('data', (text: string) => {
      answer += text;
      if (isComplete(answer)) finish(answer);
    });
  });
}

function bind(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, HOST, () => {
      const address = server.address();
      const bound = typeof address === 'object' && address !== null ? address.port : port;
      server.close(() => resolve(bound));
    });
  });
}
