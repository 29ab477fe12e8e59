import { ModelList, type Model } from '../../src/contract/model.ts';
import type { FarmModel, WorkerModel } from '../../src/queue/farm-registry.ts';
import type { App, ApiParts } from '../parts.ts';
import { PROBLEMS, answer } from '../schemas.ts';

/** A model is to the farm what it is to the worker that is furthest with it. */
const BEST_FIRST = ['ready', 'loading', 'cold', 'failed'] as const;

export function modelRoutes(app: App, { config, registry }: Pick<ApiParts, 'config' | 'registry'>): void {
  const schema = {
    summary: 'Models that workers have, and what they are up to',
    tags: ['farm'],
    response: { 200: answer('Every model of the farm', ModelList), ...PROBLEMS },
  };
  app.get('/models', { schema }, async () => {
    const models = await registry.models();
    return { models: models.map((model) => modelView(model, config.defaultModel)) };
  });
}

function modelView({ name, offer, workers, refusal }: FarmModel, defaultModel: string): Model {
  const held = workers.map(({ worker, state, reason }) => ({ id: worker, state: stateView(state), reason }));
  const best = BEST_FIRST.find((state) => held.some((worker) => worker.state === state)) ?? 'cold';
  return {
    name,
    ...offerView(offer),
    is_default: name === defaultModel,
    state: best,
    reason: best === 'failed' ? (refusal ?? held[0]?.reason ?? null) : null,
    workers: held,
  };
}

function offerView(
  offer: FarmModel['offer'],
): Omit<Model, 'name' | 'is_default' | 'state' | 'reason' | 'workers'> {
  if (offer === null) {
    return {
      kinds: [],
      digest: null,
      bytes: null,
      memory_bytes: null,
      default_width: null,
      default_height: null,
    };
  }
  const { kinds, digest, bytes, memoryBytes, defaultWidth, defaultHeight } = offer;
  return {
    kinds: [...kinds],
    digest,
    bytes,
    memory_bytes: memoryBytes,
    default_width: defaultWidth,
    default_height: defaultHeight,
  };
}

function stateView(state: WorkerModel['state']): Model['state'] {
  return state === 'refused' ? 'failed' : state;
}
