/** Large bodies are held in memory while they are read, so there are only so many of them at a time. */
import { KilnError } from '../../src/domain/errors.ts';
import { ByteBudget } from '../../src/inputs/byte-budget.ts';
import type { App } from '../parts.ts';

const MiB = 1024 * 1024;
/** Eight of the largest, and hundreds of the usual size. */
const BUDGET_BYTES = 256 * MiB;
/** Smaller ones are not counted: they are most of the traffic and none of the trouble. */
const LARGE_BYTES = MiB;

export function boundLargeBodies(app: App): void {
  const budget = new ByteBudget(BUDGET_BYTES);
  app.addHook('onRequest', (request, reply, done) => {
    const { bodyLimit, config } = request.routeOptions;
    // One without a length, sent in chunks, may become as long as its route lets it.
    const isChunked = request.headers['transfer-encoding'] !== undefined;
    const bytes = isChunked ? bodyLimit : Number(request.headers['content-length'] ?? 0);
    try {
      // Before a byte of it is read, also by parsers that stream.
      if (bytes > bodyLimit) throw tooLarge(bodyLimit);
      if (bytes > LARGE_BYTES && config.streamsBody !== true) reply.raw.once('close', budget.take(bytes));
      done();
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)));
    }
  });
}

function tooLarge(limit: number): KilnError {
  return new KilnError('payload_too_large', `The body may have at most ${limit} bytes`);
}
