import type { App } from '../parts.ts';

/** Answers are data, never pages: a browser may not run, frame, sniff or keep them. Routes may relax their own. */
export const SECURITY_HEADERS = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  // Views hold prompts and signed links.
  'cache-control': 'no-store',
} as const;

export function sendSecurityHeaders(app: App): void {
  app.addHook('onRequest', (request, reply, done) => {
    reply.headers({ ...SECURITY_HEADERS, 'x-request-id': request.id });
    done();
  });
}
