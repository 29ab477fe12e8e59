import type { Static, TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BulkList, BulkView } from '../../src/contract/bulk.ts';
import type { BulkRef } from '../../src/domain/bulk.ts';
import { newBulkId } from '../../src/job-id.ts';
import { bulkDocument } from '../../src/storage/bulk-document.ts';
import { bulkDocumentKey } from '../../src/storage/object-keys.ts';
import { someParams, someResult } from '../support/jobs.ts';
import { jobOf, problemOf, startApi, type Answer, type TestApi } from './test-api.ts';

const view = Compile(BulkView);
const list = Compile(BulkList);
let api: TestApi;

beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

function shaped<S extends TSchema>(shape: Validator<{}, S>, answer: Answer): Static<S> {
  expect(answer.status, answer.text).toBe(200);
  const body: unknown = JSON.parse(answer.text);
  if (shape.Check(body)) return body;
  throw new Error(`${answer.text} does not fit: ${JSON.stringify(shape.Errors(body))}`);
}

async function read(ref: BulkRef): Promise<BulkView> {
  return shaped(view, await api.send(`/v1/bulks/${ref.id}`));
}

async function accepted(rows = 10): Promise<BulkRef> {
  const ref = { tenant: 'default', id: newBulkId() };
  const facts = { name: 'prompts.csv', rows, images: rows, rejected: 2 };
  await api.parts.bulks.accept(ref, { ...facts, priority: 'bulk', webhook: null });
  return ref;
}

async function fed(ref: BulkRef, count: number): Promise<string[]> {
  const rows = Array.from({ length: count }, (_, row) => ({ row, params: someParams() }));
  const answer = (await api.parts.bulkFeed.feed(ref, rows, { run: 0, priority: 'bulk', window: 100 })) ?? [];
  return answer.map(({ job }) => job);
}

async function ended(id: string, how: 'succeeded' | 'failed'): Promise<void> {
  const ref = { tenant: 'default', id };
  const { records } = api.parts;
  const claim = await records.claim(ref, 'w');
  if (claim.kind !== 'claimed') throw new Error('the claim was refused');
  if (how === 'failed') await records.fail(ref, claim.fence, { code: 'render_failed', message: 'it broke' });
  else await records.commit(ref, claim.fence, someResult(ref, claim.fence));
}

it('a bulk is shown with counts that add up, its speed, and where to steer it', async () => {
  const ref = await accepted();
  expect(await read(ref)).toMatchObject({ state: 'accepted', rows: 10, rejected: 2, eta_seconds: null });
  const jobs = await fed(ref, 4);
  await ended(jobs[0] ?? '', 'succeeded');
  await ended(jobs[1] ?? '', 'failed');
  const bulk = await read(ref);
  expect(bulk).toMatchObject({
    id: ref.id,
    name: 'prompts.csv',
    state: 'running',
    counts: { waiting: 6, queued: 2, running: 0, succeeded: 1, failed: 1, cancelled: 0 },
    timings: { finished_at: null },
  });
  expect(bulk.rows_per_minute).toBeGreaterThan(0);
  expect(bulk.eta_seconds).toBe(Math.ceil((8 / (bulk.rows_per_minute ?? 0)) * 60));
  const job = jobOf(await api.send(`/v1/jobs/${jobs[0]}`));
  expect(job.bulk).toEqual({ id: ref.id, row: 0 });
});

it('bulks are listed newest first, page by page', async () => {
  const older = await accepted();
  const newer = await accepted();
  const first = shaped(list, await api.send('/v1/bulks?limit=1'));
  expect(first.bulks.map(({ id }) => id)).toEqual([newer.id]);
  const second = shaped(list, await api.send(`/v1/bulks?limit=1&cursor=${first.cursor}`));
  expect(second.bulks.map(({ id }) => id)).toEqual([older.id]);
  const wrong = problemOf(await api.send('/v1/bulks?cursor=nothing'));
  expect(wrong).toMatchObject({ code: 'invalid_request', errors: [{ field: 'cursor' }] });
});

it('pause, resume, cancel and retry change the bulk at once, and refuse what its state does not allow', async () => {
  const ref = await accepted();
  const [job = ''] = await fed(ref, 2);
  const lane = 'pocket-base.64x64';
  const post = (command: string) => api.post(`/v1/bulks/${ref.id}/${command}`);
  const { lanes } = api.parts;
  expect(shaped(view, await post('pause')).state).toBe('paused');
  expect(await lanes.has({ tenant: 'default', id: job }, lane)).toBe(false);
  expect(shaped(view, await post('resume')).state).toBe('running');
  expect(await lanes.has({ tenant: 'default', id: job }, lane)).toBe(true);
  await ended(job, 'failed');
  expect(shaped(view, await post('retry'))).toMatchObject({ run: 1, counts: { failed: 0, waiting: 9 } });
  expect(shaped(view, await post('cancel'))).toMatchObject({ state: 'cancelled', counts: { cancelled: 10 } });
  const refused = problemOf(await post('pause'));
  expect(refused).toMatchObject({ status: 409, code: 'state_conflict' });
  expect(refused.detail).toContain('does not take pause: it is cancelled');
});

it('a bulk is found after its record has expired, and one that never was is not', async () => {
  const ref = await accepted();
  const bulk = await api.parts.bulks.read(ref);
  if (bulk === undefined) throw new Error('it is gone');
  const expired = { ...bulk, id: newBulkId() };
  await api.parts.store.put(bulkDocumentKey(expired), bulkDocument(expired), 'application/json');
  expect(await read(expired)).toMatchObject({ id: expired.id, rows: 10 });
  const late = problemOf(await api.post(`/v1/bulks/${expired.id}/cancel`));
  expect(late.detail).toContain('its record has expired');
  for (const id of [newBulkId(), 'job_1', '..%2f']) {
    expect(problemOf(await api.send(`/v1/bulks/${id}`)).code).toBe('not_found');
  }
});
