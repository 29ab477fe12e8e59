import type { Static } from 'typebox';
import { Compile } from 'typebox/compile';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BulkUpload } from '../../src/contract/bulk-upload.ts';
import { bulkRowsKey, draftsFolder } from '../../src/storage/object-keys.ts';
import { parseBulkRows } from '../../src/storage/bulk-rows.ts';
import { problemOf, refOf, startApi, type Answer, type TestApi } from './test-api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

const shape = Compile(BulkUpload);

function uploadOf(answer: Answer): Static<typeof BulkUpload> {
  const body: unknown = JSON.parse(answer.text);
  if (!shape.Check(body))
    throw new Error(`${answer.status} ${answer.text}: ${JSON.stringify(shape.Errors(body))}`);
  return body;
}

function send(table: string | Uint8Array, query = '', type = 'text/csv'): Promise<Answer> {
  return api.send(`/v1/bulks?${query}`, { method: 'POST', headers: { 'content-type': type }, body: table });
}

const TABLE = 'prompt,seed,ref\na red cube,1,one\na blue cube,2,two\n';

describe('a file that is sent', () => {
  test('becomes a bulk of its rows', async () => {
    const answer = await send(TABLE, 'name=cubes');
    const upload = uploadOf(answer);
    expect(answer.status).toBe(202);
    expect(upload).toMatchObject({
      dry_run: false,
      rows: 2,
      accepted: 2,
      rejected: 0,
      errors: [],
      errors_csv: null,
    });
    const ref = refOf(upload.bulk?.id ?? '');
    const rows = await api.parts.store.get(bulkRowsKey(ref, 0));
    expect(parseBulkRows(rows ?? new Uint8Array(), 0, 'the rows')).toMatchObject([
      { row: 0, line: 2, ref: 'one', params: { prompt: 'a red cube', seeds: [1], priority: 'bulk' } },
      { row: 1, line: 3, ref: 'two', params: { prompt: 'a blue cube', seeds: [2] } },
    ]);
    expect(upload.bulk).toMatchObject({ name: 'cubes', counts: { waiting: 2 }, state: 'accepted' });
    expect(await api.parts.store.list(draftsFolder(ref.tenant))).toEqual([]);
  });

  test('with a bad row is refused as a whole', async () => {
    const problem = problemOf(await send('prompt,steps\na cube,20\n,999\n'));
    expect(problem).toMatchObject({ status: 422, code: 'rows_refused' });
  });
});
