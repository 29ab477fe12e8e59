/** The OpenAPI document of all routes, and a page to read it on. Everything is served from here, nothing by a CDN. */
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import { Type } from 'typebox';
import type { App } from '../parts.ts';
import { PROBLEMS } from '../schemas.ts';
import { withNamedParts } from './named-parts.ts';

/** The page runs its own scripts and asks this API; its styles are partly inline. */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Of the HTTP interface, not of the program: it grows when the paths or shapes do. */
const API_VERSION = '1.0.0';

/** Call before the routes are registered: it learns them as they come. */
export async function describeApi(app: App, options: { needsKey: boolean }): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Kiln',
        version: API_VERSION,
        description:
          'Batch rendering of Stable Diffusion images: submit jobs, follow them, fetch the images.',
      },
      tags: [
        { name: 'jobs', description: 'Make, follow, cancel' },
        { name: 'bulks', description: 'Files whose rows are jobs' },
        { name: 'uploads', description: 'Send images for jobs to use' },
        { name: 'webhooks', description: 'What was told to whom' },
        { name: 'farm', description: 'What renders' },
        { name: 'health', description: 'For probes' },
      ],
      ...(options.needsKey ? { security: [{ key: [] }] } : {}),
      components: { securitySchemes: { key: { type: 'http', scheme: 'bearer' } } },
    },
    transformObject: withNamedParts,
    refResolver: {
      // Shapes are known to clients by their own names, not by the order they were registered in.
      buildLocalReference: ({ $id }, _base, _fragment, index) =>
        typeof $id === 'string' ? $id : `shape-${index}`,
    },
  });
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: PAGE_POLICY,
    uiConfig: { docExpansion: 'list' },
  });

  const document = Type.Object({}, { additionalProperties: true, description: 'OpenAPI 3.1' });
  app.get(
    '/openapi.json',
    { schema: { summary: 'This document', tags: ['health'], response: { 200: document, ...PROBLEMS } } },
    () => app.swagger(),
  );
}
