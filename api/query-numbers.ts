import type { FastifyReply, FastifyRequest } from 'fastify';

const DIGITS = /^\d{1,9}$/;

/** Query values arrive as text; bodies are never coerced, so this is the one place that does: `limit`, of lists. */
export function readNumbers(request: FastifyRequest, _reply: FastifyReply, done: () => void): void {
  const { query } = request;
  if (typeof query === 'object' && query !== null && 'limit' in query && DIGITS.test(String(query.limit))) {
    query.limit = Number(query.limit);
  }
  done();
}
