import { ModelList } from '../../src/contract/model.ts';
import type { App, ApiParts } from '../parts.ts';
import { PROBLEMS, answer } from '../schemas.ts';

export function modelRoutes(app: App, { config, registry }: Pick<ApiParts, 'config' | 'registry'>): void {
  const schema = {
    summary: 'Models that workers offer',
    tags: ['farm'],
    response: { 200: answer('Every offered model', ModelList), ...PROBLEMS },
  };
  app.get('/models', { schema }, async () => {
    const [models, workers] = await Promise.all([registry.models(), registry.workers()]);
    return {
      models: models.map((model) => ({
        name: model.name,
        kinds: [...model.kinds],
        digest: model.digest,
        bytes: model.bytes,
        default_width: model.defaultWidth,
        default_height: model.defaultHeight,
        is_default: model.name === config.defaultModel,
        loaded_by: workers.filter((worker) => worker.models.includes(model.name)).map(({ id }) => id),
      })),
    };
  });
}
