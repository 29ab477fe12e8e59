import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OutboxGroup } from '../../src/queue/outbox-group.ts';
import { parseJobDocument } from '../../src/storage/job-document.ts';
import { LocalStore } from '../../src/storage/local-store.ts';
import { imageKey, jobDocumentKey, jobFolder } from '../../src/storage/object-keys.ts';
import { archiveJob } from '../../workers/courier/archive.ts';
import { archiveNext } from '../../workers/courier/archiver.ts';
import { newRef, someResult } from '../support/jobs.ts';
import { FAILURE, NEVER, queueFixture } from '../queue/fixture.ts';

const q = queueFixture();
const log = pino({ level: 'silent' });
const PIXELS = Buffer.from('pixels');

let root: string;
let store: LocalStore;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'kiln-courier-'));
  store = new LocalStore(root);
});
afterEach(() => rm(root, { recursive: true, force: true }));

function parts() {
  return { records: q().records, store, log, signal: NEVER };
}

async function putImage(ref: { tenant: string; id: string }, fence: number): Promise<string> {
  const key = imageKey(ref, { fence, n: 0, format: 'png' });
  await store.put(key, PIXELS, 'image/png');
  return key;
}

function group(redeliverMs = 60_000): OutboxGroup {
  return new OutboxGroup(q().redis, q().keys, { group: 'archive', consumer: 'c', redeliverMs, count: 10 });
}

describe('archiving a job', () => {
  it('keeps its document and the images of the run that won, and nothing of the others', async () => {
    const { ref } = await q().claimed('first');
    await q().records.claim(ref, 'second');
    await putImage(ref, 1);
    const winner = await putImage(ref, 2);
    await q().records.commit(ref, 2, someResult(ref, 2));
    await archiveJob(parts(), ref);
    await archiveJob(parts(), ref);
    expect((await store.list(jobFolder(ref))).toSorted()).toEqual([winner, jobDocumentKey(ref)].toSorted());
    const document = await store.get(jobDocumentKey(ref));
    expect(parseJobDocument(document!)).toEqual(await q().records.read(ref));
  });

  it.each(['failed', 'cancelled'] as const)('that %s keeps its document only', async (state) => {
    const { ref, fence } = await q().claimed();
    await putImage(ref, fence);
    await (state === 'failed' ? q().records.fail(ref, fence, FAILURE) : q().records.cancel(ref));
    await archiveJob(parts(), ref);
    expect(await store.list(jobFolder(ref))).toEqual([jobDocumentKey(ref)]);
    expect(parseJobDocument((await store.get(jobDocumentKey(ref)))!).state).toBe(state);
  });

  it('does nothing for one that still runs or is gone', async () => {
    const { ref } = await q().claimed();
    const image = await putImage(ref, 1);
    await archiveJob(parts(), ref);
    await archiveJob(parts(), newRef());
    expect(await store.list(jobFolder(ref))).toEqual([image]);
  });
});

describe('the archiver', () => {
  it('archives what ended and acknowledges all it has read', async () => {
    const reader = group();
    await reader.create();
    const ended = await q().inState('succeeded');
    await q().inState('running');
    await archiveNext({ ...parts(), group: reader });
    expect(await store.get(jobDocumentKey(ended.ref))).toBeDefined();
    expect((await q().redis.xpending(q().keys.outbox, 'archive'))[0]).toBe(0);
    reader.stopReading();
  });

  it('tries a job again whose document could not be written, and archives the others meanwhile', async () => {
    const reader = group(20);
    await reader.create();
    const [blocked, fine] = [await q().inState('failed'), await q().inState('failed')];
    // A file where the job's folder should be: writing below it fails until it is gone.
    const obstacle = jobFolder(blocked.ref).slice(0, -1);
    await store.put(obstacle, PIXELS, 'text/plain');
    await archiveNext({ ...parts(), group: reader });
    expect(await store.get(jobDocumentKey(fine.ref))).toBeDefined();
    expect((await q().redis.xpending(q().keys.outbox, 'archive'))[0]).toBe(1);
    await store.delete(obstacle);
    while ((await store.get(jobDocumentKey(blocked.ref))) === undefined) {
      await archiveNext({ ...parts(), group: reader });
    }
    reader.stopReading();
  });
});
