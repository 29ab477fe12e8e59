import { describe, expect, it } from 'vitest';
import type { JobRecord } from '../../src/domain/job.ts';
import { jobDocument, parseJobDocument } from '../../src/storage/job-document.ts';
import { newRef, someParams, someResult } from '../support/jobs.ts';

const ref = newRef('acme');
const record: JobRecord = {
  ...ref,
  state: 'succeeded',
  fence: 2,
  lane: 'pocket-base.64x64',
  params: someParams({ prompt: '窯 🏺\n', metadata: { 'line\nfeed': '' } }),
  createdAt: 1,
  startedAt: 2,
  finishedAt: 3,
  attempts: 1,
  crashes: 0,
  soloCrashes: 0,
  progress: { step: 8, steps: 8, etaSeconds: null },
  worker: 'w',
  result: someResult(ref, 2),
  failure: null,
};

function document(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

describe('a job document', () => {
  it('of an older Kiln reads as that of a job without what was added since', () => {
    const { eta: _eta, upscale: _upscale, ...params } = someParams();
    const { depthMap: _depthMap, ...result } = someResult(ref, 2);
    const read = parseJobDocument(document({ schema: 1, record: { ...record, params, result } }));
    expect(read).toEqual({ ...record, params: someParams(), result: someResult(ref, 2) });
  });

  it.each([
    [{ kind: 'video' }, 'at /kind: must be one of txt2img'],
    [{ kind: 'img2img' }, 'damaged at'],
    [{ steps: 'many' }, 'at /steps'],
  ])('with parameters that no job has is damage, and named: %j', (change, message) => {
    const params = { ...record.params, ...change };
    expect(() => parseJobDocument(document({ schema: 1, record: { ...record, params } }))).toThrow(message);
  });

  it('reads back as the record it was made of', () => {
    expect(parseJobDocument(jobDocument(record))).toEqual(record);
    const failed = {
      ...record,
      state: 'failed',
      result: null,
      failure: { code: 'c', message: 'm' },
    } as const;
    expect(parseJobDocument(jobDocument(failed))).toEqual(failed);
  });

  it('may hold fields of a newer version', () => {
    const newer = document({ schema: 1, by: 'x', record: { ...record, mood: 'glad' } });
    expect(parseJobDocument(newer)).toMatchObject(record);
  });

  it.each([
    ['not JSON', Buffer.from('{"schema":1'), /not JSON/],
    ['not UTF-8', Buffer.from([0x22, 0xff, 0x22]), /UTF-8/],
    ['null', document(null), /schema and record/],
    ['of another schema', document({ schema: 2, record }), /schema 2.*reads 1/],
    ['without a record', document({ schema: 1 }), /schema and record/],
    ['with an unknown state', document({ schema: 1, record: { ...record, state: 'done' } }), /state/],
    [
      'with a damaged image',
      document({ schema: 1, record: { ...record, result: { images: [{}] } } }),
      /result/,
    ],
    ['with a fence that is text', document({ schema: 1, record: { ...record, fence: '2' } }), /fence/],
  ])('%s is refused with the reason', (_name, bytes, reason) => {
    expect(() => parseJobDocument(bytes)).toThrow(reason);
  });
});
