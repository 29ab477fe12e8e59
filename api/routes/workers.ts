import { WorkerList, type Worker } from '../../src/contract/worker.ts';
import type { WorkerStatus } from '../../src/queue/farm-registry.ts';
import { isoTime } from '../../src/view/job-view.ts';
import type { App, ApiParts } from '../parts.ts';
import { PROBLEMS, answer } from '../schemas.ts';

export function workerRoutes(app: App, { registry }: Pick<ApiParts, 'registry'>): void {
  const schema = {
    summary: 'Workers that are alive',
    tags: ['farm'],
    response: { 200: answer('Workers heard of in the last seconds', WorkerList), ...PROBLEMS },
  };
  app.get('/workers', { schema }, async () => ({ workers: (await registry.workers()).map(workerView) }));
}

function workerView(worker: WorkerStatus): Worker {
  return {
    id: worker.id,
    host: worker.host,
    pid: worker.pid,
    device: worker.device,
    state: worker.state,
    engine: worker.engine,
    models: worker.models.filter(({ state }) => state === 'ready').map(({ name }) => name),
    running_samples: worker.runningSamples,
    slots: worker.slots,
    step_ms: worker.stepMs,
    busy_share: worker.busyShare,
    started_at: isoTime(worker.startedAt),
    seen_at: isoTime(worker.seenAt),
  };
}
