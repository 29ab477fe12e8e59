import { describe, expect, it } from 'vitest';
import { newRef, someParams } from '../support/jobs.ts';
import { LANE, queueFixture } from './fixture.ts';

const q = queueFixture();

describe('list', () => {
  it('gives newest first, in pages that neither repeat nor skip while jobs come and go', async () => {
    const refs = [];
    for (let n = 0; n < 25; n++) refs.push(await q().admitted());
    const newestFirst = refs.map(({ id }) => id).toReversed();
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await q().records.list('default', {
        limit: 4,
        ...(cursor === undefined ? {} : { cursor }),
      });
      seen.push(...page.records.map(({ id }) => id));
      cursor = page.cursor ?? undefined;
      await q().admitted();
    } while (cursor !== undefined);
    expect(seen).toEqual(newestFirst);
  });

  it('filters by state, model and kind, and shows other tenants nothing', async () => {
    const { ref } = await q().claimed();
    await q().admitted();
    const other = newRef();
    await q().records.admit({ ref: other, params: someParams({ model: 'other' }), lane: 'other.64x64' });
    const ids = async (filter: object): Promise<string[]> =>
      (await q().records.list('default', { limit: 10, ...filter })).records.map(({ id }) => id);
    expect(await ids({ state: 'running' })).toEqual([ref.id]);
    expect(await ids({ model: 'other' })).toEqual([other.id]);
    expect(await ids({ state: 'running', model: 'other' })).toEqual([]);
    expect(await ids({ kind: 'txt2img' })).toHaveLength(3);
    expect(await ids({ kind: 'upscale' })).toEqual([]);
    expect((await q().records.list('else', { limit: 10 })).records).toEqual([]);
  });

  it('looks at a bounded number of jobs a call and continues where it stopped', async () => {
    const target = newRef();
    await q().records.admit({ ref: target, params: someParams({ model: 'rare' }), lane: LANE });
    await Promise.all(Array.from({ length: 1_200 }, () => q().admitted()));
    const first = await q().records.list('default', { model: 'rare', limit: 200 });
    expect(first.records).toEqual([]);
    const second = await q().records.list('default', {
      model: 'rare',
      limit: 200,
      cursor: first.cursor ?? '',
    });
    expect(second.records.map(({ id }) => id)).toEqual([target.id]);
  });

  it.each(['', 'x', '1e400', '-1', '1 2', '9'.repeat(40)])('refuses the cursor %j', async (cursor) => {
    await expect(q().records.list('default', { limit: 1, cursor })).rejects.toThrow(/cursor/);
  });
});
