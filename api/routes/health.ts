import { Type } from 'typebox';
import { KilnError } from '../../src/domain/errors.ts';
import { isRedisUnavailable } from '../../src/queue/connection.ts';
import { StoreError } from '../../src/storage/store-error.ts';
import type { App, ApiParts } from '../parts.ts';
import { PROBLEMS } from '../schemas.ts';

export function healthRoutes(app: App, parts: Pick<ApiParts, 'registry' | 'store'>): void {
  const alive = Type.Object({ status: Type.Literal('alive') }, { description: 'The process answers' });
  app.get(
    '/healthz',
    { schema: { summary: 'Is the process alive', tags: ['health'], response: { 200: alive, ...PROBLEMS } } },
    () => ({ status: 'alive' as const }),
  );

  const ready = Type.Object(
    { status: Type.Literal('ready'), models: Type.Integer({ description: 'Offered now' }) },
    { description: 'Jobs are taken and a worker offers a model for them' },
  );
  app.get(
    '/readyz',
    { schema: { summary: 'Can jobs be taken', tags: ['health'], response: { 200: ready, ...PROBLEMS } } },
    async () => {
      await reachStore(parts.store);
      const models = await offeredModels(parts.registry);
      if (models > 0) return { status: 'ready' as const, models };
      throw notReady('models', 'no worker offers a model');
    },
  );
}

/** One read proves both checks: that Redis answers, and what is offered. */
async function offeredModels(registry: ApiParts['registry']): Promise<number> {
  try {
    const models = await registry.models();
    return models.filter(({ offer, refusal }) => offer !== null && refusal === null).length;
  } catch (error) {
    throw isRedisUnavailable(error) ? notReady('redis', 'does not answer', error) : error;
  }
}

/** No such object is there: to be told so proves the way to the store, the bucket and the right to read it. */
async function reachStore(store: ApiParts['store']): Promise<void> {
  try {
    await store.getStart('readyz', 1);
  } catch (error) {
    throw error instanceof StoreError ? notReady('store', 'does not answer', error) : error;
  }
}

function notReady(check: string, message: string, cause?: unknown): KilnError {
  const faults = [{ field: check, message }];
  return new KilnError('unavailable', `Not ready: ${check}: ${message}`, { faults, cause });
}
