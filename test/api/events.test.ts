import { once } from 'node:events';
import { connect } from 'node:net';
import { Compile } from 'typebox/compile';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  BulkProgressEvent,
  BulkStateEvent,
  JobProgressEvent,
  JobStateEvent,
  PreviewEvent,
} from '../../src/contract/events.ts';
import { newBulkId } from '../../src/job-id.ts';
import { Keys } from '../../src/queue/keys.ts';
import { EventReader, type ServerEvent } from '../support/event-reader.ts';
import { PlayedWorker, REQUEST, jobOf, problemOf, refOf, startApi, type TestApi } from './test-api.ts';

const IMAGE = Buffer.from('the bytes of an image');

let api: TestApi;
let worker: PlayedWorker;
const readers: EventReader[] = [];

beforeAll(async () => {
  api = await startApi();
  worker = new PlayedWorker(api.parts);
});
afterEach(() => Promise.all(readers.splice(0).map((reader) => reader.close())));
afterAll(() => api.close());

const submit = async (): Promise<string> => jobOf(await api.post('/v1/jobs', REQUEST)).id;

async function follow(path: string, lastEventId?: string | null): Promise<EventReader> {
  const headers = lastEventId === undefined || lastEventId === null ? {} : { 'last-event-id': lastEventId };
  const reader = await EventReader.open(`${api.url}${path}`, headers);
  readers.push(reader);
  return reader;
}

const followJob = (id: string, lastEventId?: string | null): Promise<EventReader> =>
  follow(`/v1/jobs/${id}/events`, lastEventId);

/** State, reason and run of the events of state; all events must fit their shapes. */
function statesOf(events: readonly ServerEvent[]): string[] {
  for (const event of events) expectShape(event);
  return events
    .filter(({ event }) => event === 'state')
    .map(({ data }) => `${String(data['state'])} ${String(data['reason'])} ${String(data['run'])}`);
}

const shapes = {
  state: Compile(JobStateEvent),
  progress: Compile(JobProgressEvent),
  preview: Compile(PreviewEvent),
};

function expectShape({ event, data }: ServerEvent): void {
  const shape = event === 'state' || event === 'progress' || event === 'preview' ? shapes[event] : undefined;
  expect(shape?.Errors(data)).toEqual([]);
}

const PREVIEW = { step: 5, steps: 20, ms: 1.5, width: 1, height: 1 };

function showPreview(id: string, run: number, n: number, data = 'AAAA'): Promise<boolean> {
  const rest = { kind: 'preview', how: 'fast', contentType: 'image/webp' } as const;
  return api.parts.records.show(refOf(id), { ...PREVIEW, ...rest, run, n, data });
}

describe('GET /v1/jobs/:id/events', () => {
  test('tells of every state from the first on, of progress and previews, and ends with the job', async () => {
    const id = await submit();
    const reader = await followJob(id);
    expect(reader.headers.get('content-type')).toContain('text/event-stream');
    expect(reader.headers.get('cache-control')).toBe('no-store');
    const queued = await reader.nextOf('state');
    expect(queued.data).toMatchObject({ state: 'queued', reason: 'admit', run: 0, job: { id } });

    const run = await worker.claim(id);
    expect((await reader.nextOf('state')).data).toMatchObject({ state: 'running', reason: 'claim', run: 1 });
    await api.parts.records.progress([
      { ref: refOf(id), fence: run, progress: { step: 7, steps: 40, etaSeconds: 1.5 } },
    ]);
    const progress = await reader.nextOf('progress');
    // The record's own comes first: nothing was done yet when the job started.
    const { data } = progress.data['step'] === 7 ? progress : await reader.nextOf('progress');
    expect(data).toEqual({ step: 7, steps: 40, eta_seconds: 1.5 });
    await showPreview(id, run, 1);
    const preview = await reader.nextOf('preview');
    expect(preview).toEqual({
      id: null,
      event: 'preview',
      data: { ...PREVIEW, n: 1, kind: 'fast', content_type: 'image/webp', data: 'AAAA' },
    });

    await worker.succeed(id, IMAGE);
    const rest = await reader.rest();
    expect(statesOf([queued, preview, ...rest])).toEqual([
      'queued admit 0',
      // The played worker claims anew.
      'running takeover 2',
      'succeeded commit 2',
    ]);
    expect(rest.at(-1)?.data['job']).toMatchObject({ state: 'succeeded', images: [{ n: 0 }] });
  });

  test('that is read again goes on after the last event that was received, whatever happened meanwhile', async () => {
    const id = await submit();
    const before = await followJob(id);
    const first = await before.nextOf('state');
    await before.close();
    for (const reason of ['drain', 'retry'] as const) {
      await api.parts.records.handBack(refOf(id), await worker.claim(id), reason);
    }
    const after = await followJob(id, first.id);
    const missed = [];
    while (missed.length < 4) missed.push(await after.nextOf('state'));
    expect(statesOf(missed)).toEqual([
      'running claim 1',
      'queued drain 1',
      'running claim 2',
      'queued retry 2',
    ]);
    await worker.succeed(id, IMAGE);
    const rest = await after.rest();
    expect(statesOf(rest)).toEqual(['running claim 3', 'succeeded commit 3']);

    // At every point of the way it is the same story.
    const all = await (await followJob(id)).rest();
    expect(statesOf(all)).toEqual(['queued admit 0', ...statesOf(missed), ...statesOf(rest)]);
    for (const [n, { id: last }] of all.entries()) {
      const reader = await followJob(id, last);
      expect(statesOf(await reader.rest())).toEqual(statesOf(all.slice(n + 1)));
      expect(reader.status).toBe(n === all.length - 1 ? 204 : 200);
    }
  });

  test('finds the events that the outbox has forgotten', async () => {
    const id = await submit();
    const first = await (await followJob(id)).nextOf('state');
    await worker.claim(id);
    const redis = api.redis.client();
    await redis.xtrim(new Keys(api.parts.config.prefix).outbox, 'MAXLEN', 0);
    const [running] = [await (await followJob(id, first.id)).nextOf('state')];
    expect(statesOf([running])).toEqual(['running claim 1']);
  });

  test('begins with what was seen last, for who comes later', async () => {
    const id = await submit();
    const run = await worker.claim(id);
    await showPreview(id, run, 1, 'BBBB');
    await showPreview(id, run, 0, 'AAAA');
    await showPreview(id, run, 1, 'CCCC');
    const reader = await followJob(id);
    const seen = [(await reader.nextOf('preview')).data, (await reader.nextOf('preview')).data];
    expect(seen.map(({ n, data }) => `${String(n)} ${String(data)}`)).toEqual(['0 AAAA', '1 CCCC']);
  });

  test('shows no preview of a run that is over', async () => {
    const id = await submit();
    const run = await worker.claim(id);
    await worker.claim(id);
    expect(await showPreview(id, run, 0)).toBe(false);
  });

  test('tells a reader that takes nothing every state once it reads, and keeps nothing for it meanwhile', async () => {
    const id = await submit();
    const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
    await once(socket, 'connect');
    socket.write(`GET /v1/jobs/${id}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
    await once(socket, 'readable');
    let run = 0;
    // Megabytes of previews, and changes of state between them.
    for (let round = 1; round <= 8; round++) {
      run = await worker.claim(id);
      for (let n = 0; n < 32; n++) await showPreview(id, run, n % 8, 'x'.repeat(26_000));
      await api.parts.records.handBack(refOf(id), run, 'drain');
    }
    await worker.succeed(id, IMAGE);
    let text = '';
    socket.setEncoding('utf8');
    for await (const chunk of socket) {
      text += String(chunk);
      if (text.endsWith('0\r\n\r\n')) break;
    }
    const runs = [...text.matchAll(/"state":"running","reason":"\w+","run":(\d+)/g)].map(([, n]) =>
      Number(n),
    );
    expect(runs).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(text).toContain('"state":"succeeded"');
  });

  test('is refused for a job that there is not, and for an id that was never sent', async () => {
    const missing = 'job_00000000-0000-7000-8000-000000000000';
    expect(problemOf(await api.send(`/v1/jobs/${missing}/events`)).code).toBe('not_found');
    const init = { headers: { 'last-event-id': 'yesterday' } };
    const wrong = problemOf(await api.send(`/v1/jobs/${await submit()}/events`, init));
    expect(wrong).toMatchObject({ status: 400, errors: [{ field: 'last-event-id', value: 'yesterday' }] });
    expect((await api.send(`/v1/jobs/${missing}/events`, { method: 'HEAD' })).status).toBe(405);
  });
});

describe('GET /v1/bulks/:id/events', () => {
  test('tells of its states and counts, and makes up for those that were missed', async () => {
    const ref = { tenant: 'default', id: newBulkId() };
    const facts = { name: 'b', rows: 2, images: 2, rejected: 0, priority: 'bulk', webhook: null } as const;
    await api.parts.bulks.accept(ref, facts);
    const path = `/v1/bulks/${ref.id}/events`;
    const reader = await follow(path);
    const accepted = await reader.nextOf('state');
    const counts = await reader.nextOf('progress');
    expect(accepted.data).toMatchObject({ state: 'accepted', event: 'bulk.accepted', bulk: { id: ref.id } });
    expect(counts.data).toMatchObject({ counts: { waiting: 2 } });
    expect(Compile(BulkStateEvent).Errors(accepted.data)).toEqual([]);
    expect(Compile(BulkProgressEvent).Errors(counts.data)).toEqual([]);
    await reader.close();

    await api.parts.bulks.pause(ref);
    await api.parts.bulks.resume(ref);
    const again = await follow(path, accepted.id);
    const missed = [await again.nextOf('state'), await again.nextOf('state')];
    expect(missed.map(({ data }) => data['event'])).toEqual(['bulk.paused', 'bulk.resumed']);
    await api.parts.bulks.cancel(ref);
    const rest = (await again.rest()).filter(({ event }) => event === 'state');
    expect(rest.map(({ data }) => data['event'])).toEqual(['bulk.cancelled', 'bulk.completed']);
    expect(rest.at(-1)?.data['bulk']).toMatchObject({ state: 'cancelled', counts: { cancelled: 2 } });
    expect((await follow(path, rest.at(-1)?.id)).status).toBe(204);
  });

  test('is refused for a bulk that there is not', async () => {
    expect(problemOf(await api.send(`/v1/bulks/${newBulkId()}/events`)).code).toBe('not_found');
  });
});

describe('streams', () => {
  test('have a number of places that are free again when readers leave, and all end with the server', async () => {
    const own = await startApi({ config: { eventStreams: 2 } });
    const path = `/v1/jobs/${jobOf(await own.post('/v1/jobs', REQUEST)).id}/events`;
    const [first, second] = [
      await EventReader.open(`${own.url}${path}`),
      await EventReader.open(`${own.url}${path}`),
    ];
    const refused = await own.send(path);
    expect(problemOf(refused)).toMatchObject({ status: 503, code: 'unavailable' });
    expect(refused.headers.get('retry-after')).not.toBeNull();

    await first.close();
    const third = await vi.waitFor(async () => {
      const reader = await EventReader.open(`${own.url}${path}`);
      expect(reader.status).toBe(200);
      return reader;
    });
    await Promise.all([second.nextOf('state'), third.nextOf('state')]);
    const [rest] = await Promise.all([Promise.all([second.rest(), third.rest()]), own.close()]);
    expect(rest).toEqual([[], []]);
  });
});
