import { pino } from 'pino';
import { expect, it } from 'vitest';
import type { JobRef } from '../../src/domain/job.ts';
import { WebhookDeliveries } from '../../src/queue/webhook-deliveries.ts';
import { ProgressWatch } from '../../src/queue/webhook-progress.ts';
import { tellProgress } from '../../workers/courier/webhooks/progress.ts';
import { LANE, queueFixture } from '../queue/fixture.ts';
import { newRef, someParams, someResult } from '../support/jobs.ts';

const q = queueFixture();
const log = pino({ level: 'silent' });

it('progress is told of once for each step that is seen, and only while the job runs', async () => {
  const ref = newRef();
  const webhook = { url: 'https://a.example/hook', events: ['progress'] } as const;
  await q().records.admit({ ref, params: someParams({ webhook }), lane: LANE });
  await q().records.claim(ref, 'w');
  const deliveries = new WebhookDeliveries(q().redis, q().keys, { logTtlMs: 60_000 });
  const progress = new ProgressWatch(q().redis, q().keys, { everyMs: 0 });
  const parts = {
    deliveries,
    progress,
    readJob: (job: JobRef) => q().records.read(job),
    fallback: null,
    wake: () => undefined,
    log,
  };
  const look = async (step: number): Promise<string[]> => {
    await q().records.progress([{ ref, fence: 1, progress: { step, steps: 8, etaSeconds: 1 } }]);
    await tellProgress(parts);
    const page = await deliveries.list('default', { limit: 10 });
    return page.deliveries.map(({ id }) => id.slice(id.lastIndexOf('_') + 1));
  };
  await progress.add(ref);
  expect(await look(0)).toEqual([]);
  expect(await look(3)).toEqual(['3']);
  expect(await look(3)).toEqual(['3']);
  expect(await look(5)).toEqual(['5', '3']);
  await q().records.commit(ref, 1, someResult(ref, 1));
  expect(await look(8)).toEqual(['5', '3']);
  expect(await progress.takeDue(10)).toEqual([]);
});

it('of many couriers one looks at a job, and again only after the pause', async () => {
  const [first, second] = [newRef(), newRef()];
  const eager = new ProgressWatch(q().redis, q().keys, { everyMs: 0 });
  const patient = new ProgressWatch(q().redis, q().keys, { everyMs: 60_000 });
  for (const ref of [first, second]) await eager.add(ref);
  await eager.add(first);
  const looks = await Promise.all([1, 2, 3].map(() => patient.takeDue(10)));
  expect(looks.flat().toSorted((a, b) => a.id.localeCompare(b.id))).toEqual([first, second]);
  await patient.add(newRef());
  expect(await patient.takeDue(10)).toEqual([]);
});
