import type { FastifyRequest } from 'fastify';

/** Where links of an answer start: the configured public address, or the one this request came to. */
export function originOf(request: FastifyRequest, publicUrl: string): string {
  return publicUrl === '' ? `${request.protocol}://${request.host}` : publicUrl;
}
