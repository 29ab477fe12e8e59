/** Bodies are JSON in strict UTF-8, not compressed. Anything else is refused before a handler sees it. */
import { KilnError } from '../../src/domain/errors.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import type { App } from '../parts.ts';

const [COMMA, BRACKET, BRACE] = Buffer.from(',[{');
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
    if (isDense(body)) {
      const message = `Images aside, the body may have at most ${LIMITS.bodyBytes} bytes`;
      done(new KilnError('payload_too_large', message));
      return;
    }
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

/**
 * True for a body with more values in it than one of the usual size can have. A larger one is large for the sake of its
 * images; millions of small values would cost seconds to parse, and a fault each. Base64 has none of these bytes.
 */
function isDense(body: Buffer): boolean {
  if (body.length <= LIMITS.bodyBytes) return false;
  let values = 0;
  for (let at = 0; at < body.length && values <= LIMITS.bodyBytes; at += 1) {
    const byte = body[at];
    if (byte === COMMA || byte === BRACKET || byte === BRACE) values += 1;
  }
  return values > LIMITS.bodyBytes;
}
