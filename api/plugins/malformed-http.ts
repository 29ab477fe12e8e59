/** Answers on sockets whose bytes never became a request, so that no Fastify handler runs for them. */
import { randomUUID } from 'node:crypto';
import type { ConnectionError } from 'fastify';
import type { Socket } from 'node:net';
import { KilnError } from '../../src/domain/errors.ts';
import { PROBLEM_TYPE, problemOf } from '../problem.ts';
import { SECURITY_HEADERS } from './security-headers.ts';

export function answerMalformedHttp(error: Pick<ConnectionError, 'code'>, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) {
    socket.destroy();
    return;
  }
  const problem = problemOf(refusalOf(error), randomUUID());
  const body = JSON.stringify(problem);
  const headers = {
    ...SECURITY_HEADERS,
    'x-request-id': problem.request_id,
    'content-type': PROBLEM_TYPE,
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  // The reason phrase is optional (RFC 9112, section 4), the space before it is not.
  socket.end(`HTTP/1.1 ${problem.status} \r\n${lines.join('')}\r\n${body}`);
}

function refusalOf({ code }: Pick<ConnectionError, 'code'>): KilnError {
  if (code === 'HPE_HEADER_OVERFLOW') {
    return new KilnError('headers_too_large', 'The headers are larger than this server reads');
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new KilnError('request_timeout', 'The request took too long to arrive and was dropped');
  }
  return new KilnError('invalid_request', 'The bytes sent are not an HTTP/1.1 request');
}
