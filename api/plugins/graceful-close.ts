import type { Socket } from 'node:net';
import type { App } from '../parts.ts';

/**
 * A close answers what is under way and ends every connection right after. Node by itself ends only those that are
 * between two requests when the close begins: one that never sent a request, or whose answer comes later, would hold
 * the process up until its keep-alive is over. The signal aborts when the close begins, for those who wait.
 */
export function closeGracefully(app: App): AbortSignal {
  const closing = new AbortController();
  const underWay = new Map<Socket, number>();
  app.server.on('connection', (socket) => {
    underWay.set(socket, 0);
    socket.once('close', () => underWay.delete(socket));
  });
  app.server.on('request', ({ socket }, response) => {
    underWay.set(socket, (underWay.get(socket) ?? 0) + 1);
    response.once('close', () => {
      const left = (underWay.get(socket) ?? 1) - 1;
      if (underWay.has(socket)) underWay.set(socket, left);
      if (left === 0 && closing.signal.aborted) socket.destroySoon();
    });
  });
  app.addHook('preClose', (done) => {
    closing.abort();
    for (const [socket, count] of underWay) if (count === 0) socket.destroy();
    done();
  });
  return closing.signal;
}
