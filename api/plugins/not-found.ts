/** Answers for addresses without a handler: 405 and `Allow` when another method would do, else 404. */
import { KilnError } from '../../src/domain/errors.ts';
import type { Limiter } from '../access/rate-limit.ts';
import type { App } from '../parts.ts';
import { shortText } from '../../src/domain/shorten.ts';

/** Call before the routes are registered: it learns them as they come. Who looks for addresses is limited, too. */
export function answerNotFound(app: App, limit: Limiter): void {
  const methodsOf = new Map<string, Set<string>>();
  app.addHook('onRoute', ({ url, method }) => {
    const methods = methodsOf.get(url) ?? new Set();
    for (const name of [method].flat()) methods.add(name);
    methodsOf.set(url, methods);
  });
  app.setNotFoundHandler({ preHandler: limit }, (request, reply) => {
    const path = pathOf(request.url);
    const allowed = [...methodsOf]
      .filter(([pattern]) => matches(pattern, path))
      .flatMap(([, set]) => [...set]);
    if (allowed.length === 0) {
      throw new KilnError('not_found', `There is nothing at ${shortText(path)}`);
    }
    const allow = [...new Set(allowed)].toSorted().join(', ');
    reply.header('allow', allow);
    throw new KilnError('method_not_allowed', `${request.method} is not taken here; taken: ${allow}`);
  });
}

export function pathOf(url: string): string {
  return url.split('?', 1)[0] ?? url;
}

/** Parameters fill one segment each; no route of Kiln has a wildcard that takes several methods. */
function matches(pattern: string, path: string): boolean {
  const [expected, given] = [pattern.split('/'), path.split('/')];
  return (
    expected.length === given.length &&
    expected.every((segment, index) => segment.startsWith(':') || segment === given[index])
  );
}
