import { afterAll, beforeAll, expect, it } from 'vitest';
import { enderOf } from '../support/bulks.ts';
import { startFarm, type Farm } from '../support/farm.ts';
import { bulkSession } from './session.ts';

let farm: Farm;

beforeAll(async () => {
  farm = await startFarm({ supervisors: 0, feeders: 2, env: { KILN_BULK_WINDOW: '40' } });
});
afterAll(() => farm.stop());

it('feeders and the courier are killed in the midst of a bulk: no row is lost or doubled, totals add up', async () => {
  const { bulk, broken } = await bulkSession(farm, {
    rows: 400,
    kills: [
      { at: 0.2, victims: ({ feeders }) => feeders },
      { at: 0.6, victims: ({ courier }) => [courier] },
    ],
    ender: enderOf(4),
  });
  expect(broken).toEqual([]);
  expect(bulk).toMatchObject({ state: 'completed', counts: { succeeded: 400 } });
});
