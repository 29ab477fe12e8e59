/** Bodies are JSON in strict UTF-8, not compressed. Anything else is refused before a handler sees it. */
import { KilnError } from '../../src/domain/errors.ts';
import type { App } from '../parts.ts';

const UTF8 = new TextDecoder('utf-8', { fatal: true });

export function readJsonBodies(app: App): void {
  app.removeAllContentTypeParsers();
  // `__proto__` and `constructor.prototype` in a body are errors, not keys to drop.
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.addHook('onRequest', (request, _reply, done) => {
    const encoding = request.headers['content-encoding'];
    if (encoding !== undefined && encoding !== 'identity') {
      done(
        new KilnError(
          'unsupported_media_type',
          'A compressed body is not taken: send it without Content-Encoding',
        ),
      );
      return;
    }
    done();
  });
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    let text: string;
    try {
      // Buffer.toString would turn broken bytes into U+FFFD, and a prompt would silently change.
      text = UTF8.decode(body);
    } catch (error) {
      done(new KilnError('invalid_request', 'The body is not valid UTF-8', { cause: error }));
      return;
    }
    // Clients set the type on every POST, also on those that send nothing.
    if (text === '') done(null, undefined);
    else void parseJson(request, text, done);
  });
}
