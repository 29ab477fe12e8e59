import { expect, it } from 'vitest';
import { laneWaits } from './lane-waits.ts';
import { runSession } from './session.ts';

it('keeps three models under a budget for two, refuses or fails what cannot be used, and passes no lane over for long', async () => {
  const { verdicts, observation, folder } = await runSession({
    seed: 3,
    jobs: 30,
    models: [
      { name: 'hot', kind: 'base', channels: 304, dtype: 'F16' },
      { name: 'second', kind: 'base', channels: 304, dtype: 'F16' },
      { name: 'third', kind: 'inpaint', channels: 304, dtype: 'F16' },
      { name: 'mismatched', kind: 'base', channels: 32, dtype: 'F16', flaw: 'mismatched' },
      { name: 'too-large', kind: 'base', channels: 720, dtype: 'F16' },
    ],
    tooLarge: ['too-large'],
    hot: ['hot'],
    upscaler: null,
    cold: [],
    budgetMegabytes: 280,
    maxLaneWaitSeconds: 1,
    limitSeconds: 60,
  });
  const lines = verdicts.map(({ outcome, name, detail }) => `${outcome} ${name} ${detail}`);
  expect(
    lines.filter((line) => line.startsWith('FAIL')),
    `models and logs: ${folder}`,
  ).toEqual([]);
  expect(observation.residency.mostAtOnce).toBe(2);
}, 120_000);

it('counts a lane as passed over from its last start, or from when the oldest of its jobs had come', () => {
  const job = (lane: string, createdAt: number, startedAt: number) => ({ lane, createdAt, startedAt });
  const waits = laneWaits([
    job('busy', 0, 10),
    job('busy', 0, 40),
    job('busy', 5, 45),
    job('idle between', 0, 3),
    job('idle between', 100, 107),
  ]);
  expect(waits).toEqual([
    { lane: 'busy', jobs: 3, longestQueueMs: 40, longestNeglectMs: 30 },
    { lane: 'idle between', jobs: 2, longestQueueMs: 7, longestNeglectMs: 7 },
  ]);
});
