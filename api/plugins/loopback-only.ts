/**
 * Without API keys Kiln trusts whoever reaches it, so it must be reached by name of this machine only: a page on
 * the web can point its own host name at 127.0.0.1 (DNS rebinding) or post to it, but cannot change these headers.
 */
import { KilnError } from '../../src/domain/errors.ts';
import type { App } from '../parts.ts';
import { shortText } from '../../src/domain/shorten.ts';

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

/** `publicUrl` ('' when unset) names the proxy that the operator has put in front. */
export function refuseForeignHosts(app: App, publicUrl: string): void {
  const known = new Set(LOOPBACK);
  if (publicUrl !== '') known.add(new URL(publicUrl).hostname);
  app.addHook('onRequest', (request, _reply, done) => {
    const { host, origin } = request.headers;
    const foreign = [`http://${host ?? ''}`, ...(origin === undefined ? [] : [origin])].find(
      (url) => !known.has(hostNameOf(url)),
    );
    if (foreign === undefined) {
      done();
      return;
    }
    const message = 'Without API keys only requests to this machine by a loopback name are taken';
    const field = foreign === origin ? 'Origin' : 'Host';
    const fault = {
      field,
      value: foreign === origin ? origin : host,
      limit: [...known],
      message: 'is foreign',
    };
    done(new KilnError('invalid_request', message, { faults: [fault] }));
  });
}

function hostNameOf(url: string): string {
  return URL.canParse(url) ? new URL(url).hostname : shortText(url);
}
