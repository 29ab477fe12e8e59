import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Server } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ResolveName } from '../../src/net/guarded-connector.ts';
import { guardedFetch } from '../../src/net/guarded-fetch.ts';
import { packageRoot } from '../../src/paths.ts';

const LIMIT = 100_000;
/** What the server does at each path. */
const ANSWERS: Readonly<Record<string, (request: IncomingMessage, response: ServerResponse) => void>> = {
  '/fine': (_request, response) => response.end('fine'),
  '/headers': ({ headers }, response) => response.end(JSON.stringify(headers)),
  '/absent': (_request, response) => response.writeHead(404).end('no'),
  '/empty': (_request, response) => response.writeHead(204).end(),
  '/once': (_request, response) => response.writeHead(302, { location: '/fine' }).end('moved'),
  '/thrice': (_request, response) => response.writeHead(307, { location: '/twice' }).end(),
  '/twice': (_request, response) => response.writeHead(308, { location: '/once' }).end(),
  '/four-times': (_request, response) => response.writeHead(301, { location: '/thrice' }).end(),
  '/for-ever': (_request, response) => response.writeHead(302, { location: '/for-ever' }).end(),
  '/inside': (_request, response) =>
    response.writeHead(302, { location: 'https://169.254.169.254/latest' }).end(),
  '/other-port': ({ headers }, response) =>
    response.writeHead(302, { location: `http://${headers.host}1/` }).end(),
  '/nowhere': (_request, response) => response.writeHead(302).end(),
  '/says-too-much': (_request, response) =>
    response.writeHead(200, { 'content-length': LIMIT + 1 }).write('x'),
  '/sends-too-much': (_request, response) => pour(response),
  '/says-more': (_request, response) => {
    response.writeHead(200, { 'content-length': 100 }).write('ten bytes.');
    response.destroy();
  },
  '/gzip': (_request, response) =>
    response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(2 ** 20))),
  '/silent': () => undefined,
  '/stuck': (_request, response) => response.writeHead(200).write('and then'),
  '/many-headers': (_request, response) => response.writeHead(200, { 'x-long': 'x'.repeat(100_000) }).end(),
};

let server: Server;
let tls: Server;
let origin: string;
let tlsPort: number;

beforeAll(async () => {
  const answer: RequestListener = (request, response) => ANSWERS[request.url ?? '']?.(request, response);
  server = createServer(answer);
  const pem = await readFile(join(packageRoot(), 'test', 'fixtures', 'net', 'untrusted.pem'));
  tls = createTlsServer({ key: pem, cert: pem }, answer);
  for (const each of [server, tls]) each.listen(0, '127.0.0.1');
  await Promise.all([once(server, 'listening'), once(tls, 'listening')]);
  origin = `http://files.test:${portOf(server)}`;
  tlsPort = portOf(tls);
});
afterAll(() => {
  server.close();
  tls.close();
});

function portOf(of: Server): number {
  const address = of.address();
  if (typeof address !== 'object' || address === null) throw new Error('the server does not listen');
  return address.port;
}

/** Sends until nobody reads any more. */
function pour(response: ServerResponse): void {
  while (!response.destroyed && response.write(Buffer.alloc(16_384)));
  if (!response.destroyed) response.once('drain', () => pour(response));
}

const toLoopback: ResolveName = () => Promise.resolve([{ address: '127.0.0.1', family: 4 }]);

async function fetchText(
  url: string,
  options: { deadlineMs?: number; allowed?: string[] } = {},
): Promise<string> {
  const bytes = await guardedFetch(url, {
    policy: { allowHttp: true, allowedOrigins: new Set(options.allowed ?? [origin]) },
    limits: { bytes: LIMIT, deadlineMs: options.deadlineMs ?? 10_000 },
    resolve: toLoopback,
  });
  return Buffer.from(bytes).toString();
}

describe('a fetch', () => {
  it('gives the bytes of an answer, directly or after at most three redirects', async () => {
    for (const path of ['/fine', '/once', '/twice', '/thrice']) {
      expect(await fetchText(origin + path), path).toBe('fine');
    }
  });

  it('asks for bytes as they are, and tells nothing about the farm', async () => {
    const headers: unknown = JSON.parse(await fetchText(`${origin}/headers`));
    expect(headers).toEqual({
      'accept-encoding': 'identity',
      accept: '*/*',
      'user-agent': 'Kiln',
      host: new URL(origin).host,
      connection: 'close',
    });
  });

  it.each([
    ['/absent', 'answers with status 404'],
    ['/empty', 'answers with status 204'],
    ['/nowhere', 'answers with status 302'],
    ['/four-times', 'redirects more than 3 times'],
    ['/for-ever', 'redirects more than 3 times'],
    ['/inside', 'leads to an address that is not public'],
    ['/other-port', /not a URL|has port/],
    ['/says-too-much', `has more than ${LIMIT} bytes`],
    ['/sends-too-much', `has more than ${LIMIT} bytes`],
    ['/says-more', 'could not be fetched'],
    ['/gzip', 'answers in a compressed form that was not asked for'],
    ['/many-headers', 'answers with more than 16384 bytes of headers'],
  ])('of %s ends with a reason', async (path, reason) => {
    await expect(fetchText(origin + path)).rejects.toThrow(reason);
  });

  it.each(['/silent', '/stuck'])('of %s ends at the deadline', async (path) => {
    await expect(fetchText(origin + path, { deadlineMs: 200 })).rejects.toThrow('within 0.2 s');
  });

  it('does not trust a certificate that nobody vouches for', async () => {
    const url = `https://untrusted.test:${tlsPort}`;
    await expect(fetchText(`${url}/fine`, { allowed: [url] })).rejects.toThrow(
      'no certificate that can be trusted',
    );
  });

  it('says that nobody listens, and not where', async () => {
    const spare = createServer().listen(0, '127.0.0.1');
    await once(spare, 'listening');
    const closed = `http://closed.test:${portOf(spare)}`;
    spare.close();
    await once(spare, 'close');
    await expect(fetchText(closed, { allowed: [closed] })).rejects.toThrow(/^does not take connections$/);
  });
});

describe('the addresses of a name', () => {
  const PUBLIC = { address: '8.8.8.8', family: 4 };

  function fetchVia(
    resolve: ResolveName,
    url = 'https://files.test/',
    deadlineMs = 10_000,
  ): Promise<unknown> {
    const policy = { allowHttp: true, allowedOrigins: new Set([origin]) };
    return guardedFetch(url, { policy, limits: { bytes: LIMIT, deadlineMs }, resolve });
  }

  it.each([
    '127.0.0.1',
    '10.0.0.1',
    '169.254.169.254',
    '::1',
    '::ffff:127.0.0.1',
    'fd00:ec2::254',
    '168.63.129.16',
  ])('refuse it when one of them is %s', async (address) => {
    const found = { address, family: address.includes(':') ? 6 : 4 };
    for (const answer of [[found], [PUBLIC, found], [found, PUBLIC]]) {
      await expect(fetchVia(() => Promise.resolve(answer))).rejects.toThrow('not public');
      await expect(fetchVia(() => Promise.resolve(answer), 'http://files.test/')).rejects.toThrow(
        'not public',
      );
    }
  });

  it.each(['localhost', 'LOCALHOST', 'localhost.', 'kiln.localhost'])(
    'of this machine are no exception: %s',
    async (name) => {
      await expect(fetchVia(toLoopback, `https://${name}/`)).rejects.toThrow('not public');
    },
  );

  it('are asked for once, so that what was checked is what is connected to', async () => {
    const asked: string[] = [];
    const flipping: ResolveName = (name) => {
      asked.push(name);
      return Promise.resolve([{ address: asked.length === 1 ? '127.0.0.1' : '10.0.0.1', family: 4 }]);
    };
    await fetchVia(flipping, `${origin}/fine`);
    expect(asked).toEqual(['files.test']);
  });

  it('that never come end the fetch at its deadline', async () => {
    const never: ResolveName = () => new Promise(() => undefined);
    await expect(fetchVia(never, 'https://files.test/', 200)).rejects.toThrow('within 0.2 s');
  });

  it('may be none', async () => {
    await expect(fetchVia(() => Promise.resolve([]))).rejects.toThrow('a host without an address');
    const unknown = Object.assign(new Error('getaddrinfo ENOTFOUND files.test'), { code: 'ENOTFOUND' });
    await expect(fetchVia(() => Promise.reject(unknown))).rejects.toThrow('a host that nobody knows');
  });
});
