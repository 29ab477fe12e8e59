import { Type } from 'typebox';
import type { App, ApiParts } from '../parts.ts';
import { PROBLEMS } from '../schemas.ts';

/** The figures of the farm and of this process, for Prometheus; with the key of a caller when keys are asked for. */
export function metricsRoute(app: App, { metrics }: Pick<ApiParts, 'metrics'>): void {
  const schema = {
    summary: 'Figures for Prometheus',
    description: 'Those of the farm are the same at every API; those of the process are its own.',
    tags: ['farm'],
    response: {
      200: {
        description: 'In the text format of Prometheus',
        content: { 'text/plain': { schema: Type.String() } },
      },
      ...PROBLEMS,
    },
  };
  app.get('/metrics', { schema }, async (_request, reply) => {
    reply.type(metrics.contentType);
    return reply.send(await metrics.metrics());
  });
}
