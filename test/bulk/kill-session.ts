/** `npm run faults -- --bulk ROWS`: a bulk that real workers render, while every other process is killed time and again. */
import { startFarm } from '../support/farm.ts';
import { bulkSession, type SessionReport } from './session.ts';

const ROUNDS = 6;

export async function killSession(rows: number): Promise<SessionReport> {
  const farm = await startFarm({
    supervisors: 1,
    feeders: 2,
    env: { KILN_LOG_LEVEL: 'warn', KILN_LOCK_SECONDS: '4', KILN_RECONCILE_SECONDS: '1' },
  });
  const kills = Array.from({ length: ROUNDS }, (_, n) => [
    { at: (n + 0.3) / (ROUNDS + 1), victims: () => farm.feeders },
    { at: (n + 0.5) / (ROUNDS + 1), victims: () => [farm.courier] },
    { at: (n + 0.7) / (ROUNDS + 1), victims: () => [farm.api] },
    { at: (n + 0.9) / (ROUNDS + 1), victims: () => farm.supervisors },
  ]).flat();
  try {
    return await bulkSession(farm, { rows, kills, params: { seeds: [1], steps: 1, sampler: 'euler' } });
  } finally {
    await farm.stop();
  }
}
